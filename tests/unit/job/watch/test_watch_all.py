"""Many runs at one look: side by side, and those that have ended are not read again."""

import threading
import time
from pathlib import Path

import pytest

from fakes.memory_store import MemoryStore
from job.record.documents import Claim, Intent, Outcome, Submission
from job.record.run import Run
from job.watch import watchdog
from job.watch.watchdog import Report, look_after_all

SPEC = {"name": "a", "data": "/clips", "provider": "local"}


class CountingStore(MemoryStore):
    """Notes what is read of runs."""

    def __init__(self) -> None:
        super().__init__("counting")
        self.read: list[str] = []

    def get(self, key: str) -> bytes:
        self.read.append(key)
        return super().get(key)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CountingStore:
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path))
    return CountingStore()


def add(store: CountingStore, number: int, outcome: bool = False) -> Run:
    run, now = Run(store, f"a-20260101-{number:06d}-0000"), time.time()
    run.create(Submission(submitted=now, dataset="d", clips=1, seconds=1.0, spec=SPEC))
    attempt = run.attempt(1)
    attempt.write_once("intent.json", Intent(launch_id="l", pod_name="p", deadline=now + 3600, time=now))
    attempt.write_once("claim.json", Claim(launch_id="l", pod_id="p", price_per_hour=1.0, time=now))
    if outcome:
        attempt.write_once("outcome.json", Outcome(outcome="succeeded", reason="", by="agent", time=now))
    return run


def test_runs_are_looked_after_side_by_side(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred that died together were ended one after the other, each in half a minute, and all were billed."""
    runs = [add(store, number).run_id for number in range(20)]
    together = threading.Barrier(len(runs))

    def meet(run: Run, *_: object) -> Report:
        together.wait(timeout=60)  # only all of them at once get beyond
        return Report(run.run_id, "stopped", "ended")

    monkeypatch.setattr(watchdog, "look_after", meet)
    reports = look_after_all(store, time.time, True, lambda said: None)
    assert [(report.run_id, report.result) for report in reports] == [(run_id, "stopped") for run_id in runs]


def test_a_run_that_cannot_be_judged_hides_no_other(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        add(store, number)

    def judge(run: Run, *_: object) -> Report:
        if "000001" in run.run_id:
            raise ZeroDivisionError
        return Report(run.run_id, "good", "")

    monkeypatch.setattr(watchdog, "look_after", judge)
    reports = look_after_all(store, time.time, True, lambda said: None)
    assert [report.result for report in reports] == ["good", "cannot tell", "good"]
    assert "defect of codecjob: ZeroDivisionError" in reports[1].said


def test_what_has_ended_is_not_read_again(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        add(store, number, outcome=True)
    ended: dict[str, str] = {}
    assert look_after_all(store, time.time, True, lambda said: None, ended) == []
    assert len(ended) == 5
    store.read.clear()
    assert look_after_all(store, time.time, True, lambda said: None, ended) == []
    assert [key for key in store.read if key.startswith("runs/")] == []

    # A pod of one of them is listed again: somebody has resumed it.
    again = next(iter(ended))
    monkeypatch.setattr(watchdog.Listing, "find", lambda listing, run_id: [object()] if run_id == again else [])
    monkeypatch.setattr(watchdog, "_orphans", lambda *arguments: [])
    monkeypatch.setattr(watchdog, "look_after", lambda run, *_: Report(run.run_id, "good", ""))
    assert [report.run_id for report in look_after_all(store, time.time, True, lambda said: None, ended)] == [again]
    assert again not in ended
