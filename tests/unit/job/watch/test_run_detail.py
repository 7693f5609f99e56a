import json
import time
from pathlib import Path

import pytest

from fakes.records import add_attempt, add_run, rows, run_id
from infra.pods.local import LocalProvider
from infra.store import Store
from job.record.documents import Submission
from job.record.run import Run
from job.run.state import look
from job.watch.run_detail import EVENTS, Details, look_closer


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path / "home")


def details(run: Run, provider: LocalProvider) -> Details:
    return look_closer(run, look(run, provider))


def test_data_checkpoint_attempts_events_and_history(store: Store, provider: LocalProvider) -> None:
    now = time.time()
    run = add_run(store, run_id(0), now, rows(), outcome="failed", reason="disk full")
    add_attempt(run, 2, now)
    found = details(run, provider)
    assert (found.data.dataset, found.data.clips, found.data.hours) == ("0123456789abcdef", 1204, 3.2)
    assert found.checkpoint is not None
    assert (found.checkpoint.step, found.checkpoint_epoch) == (120, 3)
    assert time.time() - found.checkpoint.written < 60
    first, second = found.attempts
    assert first.outcome is not None and first.outcome.reason == "disk full"
    assert second.outcome is None
    told = found.as_dict()["attempts"]
    assert [(one["outcome"], one["gpu"]) for one in told] == [
        ("failed", "NVIDIA GeForce RTX 4090"),
        (None, "NVIDIA GeForce RTX 4090"),
    ]
    assert (told[0]["reason"], told[1]["ended"]) == ("disk full", None)
    assert [event["what"] for event in found.events] == ["launched", "ended", "launched"]
    assert found.series("snr_db")[0] == pytest.approx(0.00074, rel=0.01)
    assert [row["epoch"] for row in json.loads(json.dumps(found.as_dict()))["history"]] == [0, 1, 2, 3]


def test_only_the_newest_events_are_read_out(store: Store, provider: LocalProvider) -> None:
    run = add_run(store, run_id(0), time.time())
    for number in range(EVENTS + 3):
        run.attempt(1).note("counted", "client", number=number)
    assert [event["number"] for event in details(run, provider).events] == list(range(3, EVENTS + 3))


@pytest.mark.parametrize("half", [b"", b"[1]", b'{"what": "x"', b'{"what": "x", "by": "y"}'])
def test_half_an_event_hides_nothing_else(store: Store, provider: LocalProvider, half: bytes) -> None:
    run = add_run(store, run_id(0), time.time(), rows())
    store.put(f"{run.attempt(1).prefix}/events/20260101T000000.000-0.json", half)
    found = details(run, provider)
    assert found.trouble == "", "a pod may have left it there"
    assert found.checkpoint is not None


def test_a_record_of_before_says_of_its_data_what_the_trainer_said(store: Store, provider: LocalProvider) -> None:
    run = Run(store, run_id(0))
    run.create(Submission(submitted=1.0, dataset="d", spec={"name": "speech", "data": "/clips"}))
    assert details(run, provider).data.hours is None
    run.attempt(1).add_segment("metrics", 1, rows())
    found = details(run, provider)
    assert (found.data.clips, found.data.hours) == (None, 0.0081)
    assert found.checkpoint is None
