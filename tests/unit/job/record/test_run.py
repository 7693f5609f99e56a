import json

import pytest

from helpers import CountingStore
from infra.store import Store
from job.errors import CannotTellError, UsageError
from job.record.documents import Beat, Submission
from job.record.run import Run


def train(step: int) -> bytes:
    return json.dumps({"kind": "train", "step": step, "epoch": 0, "loss": 0.1}).encode() + b"\n"


def test_a_piece_that_grows_is_read_again_and_no_other(run: Run, store: Store) -> None:
    counting = CountingStore(store)
    reader = Run(counting, run.run_id)  # type: ignore[arg-type]
    attempt = run.attempt(1)
    for step in range(1, 40):
        attempt.add_segment("metrics", step, train(step))
    assert [row.step for row in reader.rows([reader.attempt(1)])] == list(range(1, 40))
    assert len(counting.read) == 39
    attempt.add_segment("metrics", 39, train(39) + train(40), known=len(train(39)))
    assert [row.step for row in reader.rows([reader.attempt(1)])] == list(range(1, 41))
    assert counting.read[39:] == [f"{attempt.prefix}/metrics/00000039"]
    assert next(iter(reader.attempt(1).segments("metrics"))) == (1, train(1))
    assert len(counting.read) == 40


def test_strangers_files_in_the_record_are_passed_over(run: Run, store: Store) -> None:
    attempt = run.attempt(1)
    attempt.add_segment("metrics", 1, train(1))
    store.put(f"{attempt.prefix}/metrics/notes.txt", b"mine")
    store.put(f"{attempt.prefix}/checkpoints/old/manifest.json", b"{}")
    store.put(f"{attempt.prefix}/checkpoints/00000005/deeper/manifest.json", b"{}")
    store.put(f"runs/{run.run_id}/attempts/backup/intent.json", b"{}")
    for place in ("", f"{attempt.number}/metrics/", f"{attempt.number}/checkpoints/"):  # a digit, but no number
        store.put(f"runs/{run.run_id}/attempts/{place}²/manifest.json", b"{}")
    store.put(f"{attempt.prefix}/log/²", b"mine")
    assert list(attempt.segments("log")) == []
    assert [each.number for each in run.attempts()] == [1]
    assert [row.step for row in run.rows()] == [1]
    assert attempt.checkpoints() == []


def test_the_rows_of_all_attempts_are_numbered_by_attempt(run: Run) -> None:
    start = b'{"kind": "start", "step": 0, "time": 1}\n'
    run.attempt(1).add_segment("metrics", 1, start + train(1)[:20])
    run.attempt(1).add_segment("metrics", 2, train(1)[20:] + train(2))
    run.attempt(2).write("alive.json", Beat(state="starting", time=1.0))
    run.attempt(3).add_segment("metrics", 1, start + train(3))
    rows = [(row.attempt, row.kind, row.step) for row in run.rows()]
    assert rows == [(1, "start", 0), (1, "train", 1), (1, "train", 2), (2, "start", 0), (2, "train", 3)]


def test_attempts_are_in_the_order_of_their_numbers(run: Run) -> None:
    for number in (2, 10, 1):
        run.attempt(number).write("alive.json", Beat(state="starting", time=1.0))
    assert [attempt.number for attempt in run.attempts()] == [1, 2, 10]


def test_the_newest_checkpoint_has_the_most_steps(run: Run, store: Store) -> None:
    assert run.newest_checkpoint() is None
    for attempt, step in ((1, 10), (1, 30), (2, 30), (3, 20)):
        store.put(f"{run.attempt(attempt).prefix}/checkpoints/{step:08d}/manifest.json", b"{}")
    newest = run.newest_checkpoint()
    assert newest is not None
    assert (newest.step, newest.attempt) == (30, 2)


def test_a_run_is_submitted_once(run: Run) -> None:
    with pytest.raises(UsageError, match="exists already"):
        run.create(Submission(submitted=2.0, dataset="other", spec={}))
    assert run.submission().dataset == "0123456789abcdef"


def test_a_record_of_a_newer_version_says_so(run: Run, store: Store) -> None:
    key = f"runs/{run.run_id}/spec.json"
    store.put(key, b'{"version": 3, "asked": "in other words"}')
    with pytest.raises(CannotTellError, match=r"spec\.json was written by a newer codecjob .*upgrade"):
        run.submission()
    store.put(key, json.dumps({"version": 1, "submitted": 1.0, "dataset": "d", "spec": {}}).encode())
    assert (run.submission().clips, run.submission().seconds) == (None, None)


def test_a_record_without_its_spec_is_not_complete(store: Store) -> None:
    with pytest.raises(CannotTellError, match=r"spec\.json cannot be read"):
        Run(store, "zeta-20250101-000000-0000").spec()
