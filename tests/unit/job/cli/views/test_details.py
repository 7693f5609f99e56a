import time
from dataclasses import replace
from typing import Any

import pytest

from fakes.records import add_attempt, add_run, rows, run_id
from infra.pods import LaunchRequest, Pod, PodState
from infra.pods.local import LocalProvider
from infra.store import Store
from job.cli.views.details import RunDetails
from job.record.run import Run
from job.run.state import look
from job.watch.run_detail import look_closer

FACTS = (
    *(run_id(0), "aborted: bad signs: blow-up (by agent)", "codecjob report", "1,204 clips, 3.2 h", "launched"),
    *("0.33 USD", "RTX 4090", "epoch 3, step 120, written", "the output saturates", "blow_up", "-16.4 dB"),
    "> 0.5 and twice",
)


def picture(run: Run, provider: LocalProvider) -> RunDetails:
    state = look(run, provider)
    return RunDetails(state, look_closer(run, state))


@pytest.mark.parametrize("width", [40, 80, 140])
def test_everything_is_said_at_any_width(store: Store, provider: LocalProvider, printed: Any, width: int) -> None:
    run = add_run(store, run_id(0), time.time(), rows("rate_too_high"), outcome="aborted", reason="bad signs: blow-up")
    lines = printed(picture(run, provider), width)
    assert max(len(line.rstrip()) for line in lines) <= width
    text = " ".join(" ".join(lines).split())
    for fact in FACTS:
        assert fact in text or fact in text.replace("- ", "-"), (fact, text)


def test_what_to_expect_of_a_run_that_trains(store: Store, provider: LocalProvider, printed: Any) -> None:
    longer = rows().replace(b'"planned_steps": 120', b'"planned_steps": 240')
    run = add_run(store, run_id(0), time.time(), longer)
    provider.launch(LaunchRequest(run.run_id, run.run_id, 1, "launch-1", ("sleep", "600"), {}))
    text = " ".join(" ".join(printed(picture(run, provider), 200)).split())
    assert "forecast about SNR " in text
    assert " dB at step 240 (80% between " in text
    assert "SNR > 5 dB is reached" in text


def test_a_run_without_rows(store: Store, provider: LocalProvider, printed: Any) -> None:
    for width in (40, 80):
        text = "\n".join(printed(picture(add_run(store, run_id(width), time.time(), state="syncing"), provider), width))
        assert "none" in text
        assert "UNDECIDED" in text


def test_several_attempts_are_listed_with_their_ends(store: Store, provider: LocalProvider, printed: Any) -> None:
    now = time.time()
    run = add_run(store, run_id(0), now, rows(), outcome="failed", reason="the disk is full")
    add_attempt(run, 2, now, rows(), claim={"pod_id": "pod-second"})
    text = "\n".join(printed(picture(run, provider), 120))
    assert "1  failed, pod-0000, NVIDIA GeForce RTX 4090, 59.0 min: the disk is full" in text
    assert "2  goes on, pod-second" in text
    assert "attempt 2 client: launched" in text


def test_an_encoding_without_blocks_gets_none(store: Store, provider: LocalProvider, printed: Any) -> None:
    shown = picture(add_run(store, run_id(0), time.time(), rows()), provider)
    assert any("▁" in line for line in printed(shown, 80))
    lines = printed(shown, 80, encoding="ascii")
    assert next(line.split() for line in lines if line.startswith("SNR")) == ["SNR", "0.0", "_*#@", "10.0", "dB"]


def test_the_way_into_a_pod_is_shown_where_there_is_one(store: Store, provider: LocalProvider, printed: Any) -> None:
    run = add_run(store, run_id(0), time.time(), rows())
    state = look(run, provider)
    assert not any("shell" in line for line in printed(RunDetails(state, look_closer(run, state)), 80))
    way = "docker exec -it pod-1 sh"
    pod = Pod("pod-1", "name", run.run_id, 1, "launch", PodState.RUNNING, 0.0, None, enter=way)
    open_to_all = replace(state, listed=(pod,))
    said = printed(RunDetails(open_to_all, look_closer(run, state)), 80)
    assert any(line.startswith("shell") and way in line for line in said)
