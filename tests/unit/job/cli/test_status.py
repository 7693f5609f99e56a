"""The command: what it prints, how soon, and for whom."""

import io
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from fakes.records import add_run, rows, run_id
from helpers import StoreProxy
from infra.store import Store, open_store
from job.cli import cli, status
from job.cli.status_views import ManyRuns
from job.watch.run_list import FIELDS


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CODECJOB_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("RUNPOD_API_KEY", "CODECJOB_STORE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def call(*words: str) -> Result:
    return CliRunner().invoke(cli, ["status", *words])


def test_no_runs_yet(store: Store) -> None:
    done = call()
    assert (done.exit_code, done.output) == (0, "no runs yet: start one with `codecjob submit SPEC`\n")
    assert json.loads(call("--json").output) == []


def test_a_store_that_was_named_and_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for done in (call("--store", str(tmp_path / "nope")), call("@last", "--store", str(tmp_path / "nope"))):
        assert done.exit_code == 2
        assert f"the store {(tmp_path / 'nope').as_uri()} is not there" in done.output
        assert "codecjob init" in done.output
    monkeypatch.setenv("CODECJOB_STORE", str(tmp_path / "nope"))
    assert call().exit_code == 2
    assert not (tmp_path / "nope").exists()


def test_the_newest_twenty_and_how_to_see_all(store: Store) -> None:
    for number in range(25):
        add_run(store, run_id(number), time.time(), outcome="succeeded")
    done = call()
    names = [line.split()[0] for line in done.output.splitlines() if line.startswith("telugu")]
    assert names == [run_id(number) for number in range(24, 4, -1)]
    assert done.output.splitlines()[-1] == "5 older: codecjob status --all"
    assert all(line == line.rstrip() and "\x1b" not in line for line in done.output.splitlines())
    assert len(json.loads(call("--json").output)) == 20
    assert [entry["run"] for entry in json.loads(call("--json", "--all").output)] == [
        run_id(number) for number in range(24, -1, -1)
    ]


def test_one_run_has_the_fields_of_the_list_and_more(store: Store) -> None:
    add_run(store, run_id(0), time.time(), rows(), outcome="succeeded")
    document = json.loads(call(run_id(0), "--json").output)
    assert tuple(document)[: len(FIELDS)] == FIELDS
    assert tuple(document)[len(FIELDS) :] == ("data", "checkpoint", "attempts", "events", "history")
    assert document["checkpoint"]["epoch"] == 3


def test_every_field_is_described() -> None:
    text = (Path(__file__).parents[4] / "docs" / "reference.md").read_text(encoding="utf-8")
    section = text.partition("## `codecjob status --json`")[2].partition("\n## ")[0]
    more = ("data", "checkpoint", "attempts", "events", "history")
    assert [name for name in (*FIELDS, *more) if f"`{name}`" not in section and f"`{name}[]`" not in section] == []


def test_bad_input_is_one_line(store: Store) -> None:
    add_run(store, run_id(0), time.time())
    store.put(f"runs/{run_id(1)}/spec.json", b'{"version": 99}')
    for words, code, said in (
        ((run_id(0), "--all"), 2, "--all lists every run"),
        (("nothing",), 2, "no run 'nothing'"),
        ((run_id(1),), 3, "was written by a newer codecjob"),
    ):
        done = call(*words)
        assert (done.exit_code, len(done.output.splitlines())) == (code, 1)
        assert said in done.output
    assert call().exit_code == 0, "the others are shown"


class Slow(StoreProxy):
    """A store far away."""

    def get(self, key: str) -> bytes:
        time.sleep(0.06)
        return self.store.get(key)


@pytest.mark.slow
def test_a_slow_store_shows_the_names_first_and_fills_them_in(store: Store) -> None:
    for number in range(40):
        add_run(store, run_id(number), time.time(), outcome="succeeded")
    file = io.StringIO()
    console = Console(file=file, width=120, height=60, force_terminal=True, legacy_windows=False)
    began, shown = time.monotonic(), []
    file.write = lambda text: shown.append((time.monotonic() - began, text)) or len(text)  # type: ignore[assignment,func-returns-value]
    source = ManyRuns(lambda: Slow(store), 40)  # type: ignore[arg-type]
    status._take(console, source, quiet=False)
    frames = [(at, text) for at, text in shown if "reading the runs in" in text]
    at, first = frames[0]
    assert at < 1
    assert first.count("telugu") == 40
    assert first.count("  reading ...") == 40
    assert any(0 < text.count("  reading ...") < 40 for _, text in frames), "filled in as it comes"
    assert len(source.document()) == 40


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [True, False])
def test_who_pipes_stdout_is_told_of_a_slow_store_on_a_terminal(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    add_run(store, run_id(0), time.time(), outcome="succeeded")
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    status._take(Console(), ManyRuns(lambda: Slow(store), 20), quiet=True)  # type: ignore[arg-type]
    assert capsys.readouterr().err == (f"reading the runs in {store.url} ...\n" if terminal else "")
