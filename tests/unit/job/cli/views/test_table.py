import re
import time
from dataclasses import replace
from typing import Any

import pytest

from fakes.records import add_run, rows, run_id
from infra.pods.local import LocalProvider
from infra.store import Store
from job.cli.views.table import RunsTable, footer
from job.run.state import RunState, look
from job.watch.run_list import Entry

TITLES = "run state epoch loss SNR ampl. verdict cost USD/h left billing pod GPU"


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 200, 1000])
def test_every_run_is_there_with_its_whole_name_and_no_line_is_too_long(
    entries: list[Entry], printed: Any, width: int
) -> None:
    lines = printed(RunsTable(entries), width)
    assert max(len(line.rstrip()) for line in lines) <= width
    text = "".join(line.rstrip() for line in lines)
    for entry in entries:
        assert entry.run_id in text, "a name that is longer than the terminal is folded, not cut"
    assert "\x1b" not in text
    for fact in ("succeeded", "aborted", "3/3", "10.0", "0.84", "BAD", "UNDECIDED", "RTX 4090", "pod-0000", "0.33"):
        assert fact in text
    assert "unreadable" in text
    assert "pod-0004" in text


def test_a_wide_terminal_and_a_pipe_have_a_line_for_each_run(entries: list[Entry], printed: Any) -> None:
    lines = printed(RunsTable(entries), 1000)
    assert len(lines) == 1 + len(entries)
    assert " ".join(lines[0].split()) == TITLES
    cells = re.split(r"\s{2,}", lines[1].strip())
    assert cells == [run_id(0), "succeeded", "3/3", "0.033", "10.0", "0.84", "UNDECIDED", "0.33", "-", "-", "off",
                     "pod-0000", "RTX 4090"]  # fmt: skip
    assert lines[-1].startswith(f"{run_id(4)}  unreadable: spec.json cannot be read")


def test_eighty_columns_have_two_lines_for_each_run_in_columns(entries: list[Entry], printed: Any) -> None:
    lines = printed(RunsTable(entries[:2]), 80)
    assert len(lines) == 2 + 2 * 2
    assert lines[2].split() == [run_id(0), "pod-0000", "RTX", "4090"]
    assert lines[1].index("verdict") == lines[3].index("UNDECIDED") == lines[5].index("BAD")


def test_money_and_time_of_a_run_that_is_paid_for(store: Store, provider: LocalProvider, printed: Any) -> None:
    state = look(add_run(store, run_id(0), time.time(), rows()), provider)
    state = replace(state, state="training", billing="on", pods=["pod-0000"], seconds_left=7560.0)
    for width in (40, 80, 140):
        text = " ".join(printed(RunsTable([state]), width))
        for fact in ("0.34", "2.1h", "on"):
            assert re.search(rf"\b{fact}\b", text), (fact, width)
    (said,) = printed(footer([state, replace(state, run_id=run_id(1))], 0), 80)
    assert said == "2 runs are being paid for: 0.68 USD an hour"


def test_what_has_not_been_looked_at_yet_is_named(entries: list[Entry], printed: Any) -> None:
    lines = printed(RunsTable([run_id(9), *entries[:1]]), 120)
    assert [line.rstrip() for line in lines if run_id(9) in line] == [f"{run_id(9)}  reading ..."]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_what_does_not_fit_below_each_other_is_counted(entries: list[Entry], printed: Any, width: int) -> None:
    for height in range(4, 40):
        lines = printed(RunsTable(entries, height), width)
        assert len(lines) <= height
        shown = sum(any(line.startswith(entry.run_id[:30]) for line in lines) for entry in entries)
        more = re.search(r"and (\d) more", " ".join(lines))
        assert shown + (int(more[1]) if more else 0) == len(entries)


@pytest.mark.slow
def test_colours_are_for_terminals(entries: list[Entry], printed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert any("\x1b[31m" in line for line in printed(RunsTable(entries), 140, terminal=True))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any("\x1b[31m" in line for line in printed(RunsTable(entries), 140, terminal=True))


def test_the_footer_names_what_is_not_shown(entries: list[Entry], printed: Any) -> None:
    state = entries[0]
    assert isinstance(state, RunState)
    silent = replace(state, billing="unknown", trouble="no key: set RUNPOD_API_KEY")
    lines = printed(footer([silent, silent], 980), 80)
    assert lines == ["billing unknown (local): no key: set RUNPOD_API_KEY", "980 older: codecjob status --all"]
