"""The watchdog's command tells of runs, also of those that ended before it looked; a real webhook, real records."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakes.webhook import Hook, running_hook
from infra.store import Store, open_store
from job.cli import cli
from job.record.attempt import Attempt
from job.record.documents import Claim, Outcome, Submission
from job.record.run import Run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CODECJOB_STORE", raising=False)
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with running_hook() as hook:
        monkeypatch.setenv("MY_HOOK", hook.url)
        yield hook


def ended(store: Store, run_id: str, ago: float = 60.0, outcome: str = "succeeded") -> Run:
    """A run that has ended some seconds ago, and notifies the webhook."""
    run = Run(store, run_id)
    spec = {"name": "speech", "data": "/clips", "notify": {"webhook": "${MY_HOOK}"}}
    run.create(Submission(submitted=1.0, dataset="0123456789abcdef", spec=spec))
    then = time.time() - ago
    run.attempt(1).write_once("claim.json", Claim(launch_id="l", pod_id="p", price_per_hour=0.0, time=then))
    document = {"outcome": outcome, "reason": "over", "by": "agent", "time": then}
    run.attempt(1).write_once("outcome.json", Outcome.model_validate(document))
    return run


def abort(store: Store, *words: str) -> Result:
    return CliRunner().invoke(cli, ["abort-on-bad-signs", *words, "--store", store.url])


def told(hook: Hook) -> list[tuple[str, str]]:
    return [(message["run"], message["event"]) for message in hook.posted]


def test_all_tells_once_of_what_ended_lately_and_not_of_what_is_old(store: Store, hook: Hook) -> None:
    late = ended(store, "speech-20250102-030405-00ff")
    ended(store, "speech-20250101-030405-00ff", ago=2 * 24 * 3600)
    for _ in range(2):
        assert abort(store, "--all").exit_code == 0
    assert told(hook) == [(late.run_id, "end")]


def test_one_run_is_told_of_and_a_dry_run_tells_nothing(store: Store, hook: Hook) -> None:
    run = ended(store, "speech-20250102-030405-00ff", outcome="aborted")
    abort(store, run.run_id, "--dry-run")
    abort(store, "--all", "--dry-run")
    assert told(hook) == []
    abort(store, run.run_id, "--watch")
    assert told(hook) == [(run.run_id, "abort"), (run.run_id, "end")]


def test_what_nobody_foresaw_in_one_run_leaves_the_others_watched(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = ended(store, "odd-20250101-030405-00ff")
    open_run = Run(store, "speech-20250102-030405-00ff")
    spec = {"name": "speech", "data": "/clips", "watch": {"agent": 3}}
    open_run.create(Submission(submitted=1.0, dataset="0123456789abcdef", spec=spec))
    gone = Claim(launch_id="l", pod_id="local-0123456789ab", price_per_hour=0.0, time=time.time() - 100_000)
    open_run.attempt(1).write_once("claim.json", gone)
    attempts = Run.attempts

    def break_down(run: Run) -> list[Attempt]:
        if run.run_id == odd.run_id:
            raise ZeroDivisionError("nobody foresaw this")
        return attempts(run)

    monkeypatch.setattr(Run, "attempts", break_down)
    done = abort(store, "--all")
    assert done.exit_code == 3
    assert f"{odd.run_id}: CANNOT TELL: cannot tell, by a defect of codecjob: ZeroDivisionError" in done.stdout
    assert "not tidied or told, by a defect of codecjob" in done.stderr
    outcome = open_run.attempt(1).outcome()
    assert outcome is not None
    assert outcome.by == "watchdog"
