import json
from pathlib import Path
from typing import Any

import pytest

from infra.store import Store, StoreError
from job.errors import CannotTellError, UsageError
from job.record.run import Beat, Claim, Outcome, Run, StopRequest, Submission, find_run, list_runs, new_run_id

OLDEST, MIDDLE, NEWEST = "zeta-20250101-000000-0000", "alpha-20250102-000000-0000", "alpha-20250102-000000-0001"


def ended(outcome: str) -> Outcome:
    return Outcome.model_validate({"outcome": outcome, "reason": "x", "by": "agent", "time": 1.0})


def train(step: int) -> bytes:
    return json.dumps({"kind": "train", "step": step, "epoch": 0, "loss": 0.1}).encode() + b"\n"


# Documents.


def test_a_document_is_read_back_as_it_was_written(run: Run) -> None:
    attempt = run.attempt(1)
    claim = Claim(launch_id="a", pod_id="b", price_per_hour=0.5, time=2.0)
    request = StopRequest(outcome="stopped", reason="enough — బాగుంది", by="client", time=3.0)
    attempt.write_once("claim.json", claim)
    attempt.write("stop.json", request)
    attempt.write("alive.json", Beat(state="training", time=4.0))
    assert attempt.claim() == claim
    assert attempt.stop_request() == request
    assert attempt.beat() == Beat(state="training", time=4.0)


def test_what_is_not_there_yet_is_none(run: Run) -> None:
    attempt = run.attempt(1)
    for document in (attempt.intent, attempt.claim, attempt.stop_request, attempt.beat, attempt.progress):
        assert document() is None
    assert attempt.outcome() is None
    assert attempt.verdict() is None
    assert (attempt.events(), attempt.checkpoints(), list(attempt.segments("metrics"))) == ([], [], [])


def test_of_two_outcomes_the_first_stays(run: Run) -> None:
    assert run.attempt(1).write_once("outcome.json", ended("succeeded"))
    assert not run.attempt(1).write_once("outcome.json", ended("failed"))
    assert run.attempt(1).outcome() == ended("succeeded")


def test_fields_of_a_newer_version_are_left_alone(run: Run, store: Store) -> None:
    store.put(f"{run.attempt(1).prefix}/alive.json", b'{"state": "training", "time": 4.0, "mood": "fine"}')
    assert run.attempt(1).beat() == Beat(state="training", time=4.0)


@pytest.mark.parametrize("data", [b"", b'{"state": ', b'{"state": "training"}', b'{"state": "dancing", "time": 1}'])
def test_a_document_that_cannot_be_read_proves_nothing(run: Run, store: Store, data: bytes) -> None:
    store.put(f"{run.attempt(1).prefix}/alive.json", data)
    with pytest.raises(CannotTellError, match=r"alive\.json cannot be read"):
        run.attempt(1).beat()


def test_events_are_kept_in_order(run: Run) -> None:
    for number in range(20):
        run.attempt(1).note("counted", "client", number=number)
    events = run.attempt(1).events()
    assert [event["number"] for event in events] == list(range(20))
    assert {(event["what"], event["by"]) for event in events} == {("counted", "client")}


# Rows and logs.


def test_segments_come_in_order_from_where_one_has_read_to(run: Run) -> None:
    attempt = run.attempt(1)
    for sequence in (10, 2, 1):
        attempt.add_segment("log", sequence, str(sequence).encode())
    assert list(attempt.segments("log")) == [(1, b"1"), (2, b"2"), (10, b"10")]
    assert list(attempt.segments("log", after=2)) == [(10, b"10")]


class Counting:
    """A store that counts the objects that are read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.read: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def get(self, key: str) -> bytes:
        self.read.append(key)
        return self.store.get(key)


def test_a_piece_that_grows_is_read_again_and_no_other(run: Run, store: Store) -> None:
    counting = Counting(store)
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


def test_a_piece_of_somebody_else_is_never_replaced(run: Run) -> None:
    attempt = run.attempt(1)
    attempt.add_segment("log", 1, b"mine")
    attempt.add_segment("log", 1, b"mine, of which the first answer was lost")
    with pytest.raises(StoreError, match="is the attempt running twice"):
        attempt.add_segment("log", 1, b"another's")
    assert list(attempt.segments("log")) == [(1, b"mine, of which the first answer was lost")]
    assert (attempt.last_sequence("log"), attempt.last_sequence("metrics")) == (1, 0)


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


# Checkpoints.


def test_a_checkpoint_without_its_manifest_is_not_complete(run: Run, store: Store) -> None:
    prefix = run.attempt(1).prefix
    store.put(f"{prefix}/checkpoints/00000010/manifest.json", b"{}")
    store.put(f"{prefix}/checkpoints/00000020/model.safetensors", b"half")
    store.put(f"{prefix}/evidence/00000030/manifest.json", b"{}")
    assert [(ref.attempt, ref.step, ref.prefix) for ref in run.attempt(1).checkpoints()] == [
        (1, 10, f"{prefix}/checkpoints/00000010")
    ]


def test_the_newest_checkpoint_has_the_most_steps(run: Run, store: Store) -> None:
    assert run.newest_checkpoint() is None
    for attempt, step in ((1, 10), (1, 30), (2, 30), (3, 20)):
        store.put(f"{run.attempt(attempt).prefix}/checkpoints/{step:08d}/manifest.json", b"{}")
    newest = run.newest_checkpoint()
    assert newest is not None
    assert (newest.step, newest.attempt) == (30, 2)


# Finding runs.


@pytest.fixture
def three_runs(store: Store) -> Store:
    for run_id in (NEWEST, OLDEST, MIDDLE):
        Run(store, run_id).create(Submission(submitted=1.0, dataset="d", spec={}))
    store.put("runs/readme/text", b"not a run")
    return store


def test_runs_are_listed_by_age_whatever_their_names(three_runs: Store) -> None:
    assert list_runs(three_runs) == [OLDEST, MIDDLE, NEWEST]


@pytest.mark.parametrize(
    ("wanted", "found"), [("z", OLDEST), (NEWEST, NEWEST), ("alpha-20250102-000000-0000", MIDDLE), ("@last", NEWEST)]
)
def test_a_run_is_found_by_an_unambiguous_prefix(three_runs: Store, wanted: str, found: str) -> None:
    assert find_run(three_runs, wanted).run_id == found


def test_a_name_that_is_another_ones_prefix_means_itself(store: Store) -> None:
    short, longer = "a-20250101-000000-0000", "a-20250101-000000-0000-20250101-000000-0000"
    for run_id in (short, longer):
        Run(store, run_id).create(Submission(submitted=1.0, dataset="d", spec={}))
    assert find_run(store, short).run_id == short


@pytest.mark.parametrize(
    ("wanted", "said"), [("beta", "no run 'beta'"), ("alpha", f"'alpha' means 2 runs, the newest {NEWEST}, {MIDDLE}")]
)
def test_a_run_that_is_none_or_several(three_runs: Store, wanted: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_run(three_runs, wanted)


def test_no_runs_at_all(store: Store, tmp_path: Path) -> None:
    assert list_runs(store) == []
    with pytest.raises(UsageError, match=r"no runs in .* yet: start one with"):
        find_run(store, "@last")


def test_runs_of_one_second_are_in_the_order_of_submission(store: Store) -> None:
    made = []
    for _ in range(20):
        made.append(new_run_id("speech"))
        Run(store, made[-1]).create(Submission(submitted=1.0, dataset="d", spec={}))
    assert list_runs(store) == made


def test_a_run_is_submitted_once(run: Run) -> None:
    with pytest.raises(UsageError, match="exists already"):
        run.create(Submission(submitted=2.0, dataset="other", spec={}))
    assert run.submission().dataset == "0123456789abcdef"


def test_a_record_of_a_newer_version_says_so(run: Run, store: Store) -> None:
    key = f"runs/{run.run_id}/spec.json"
    store.put(key, b'{"version": 2, "asked": "in other words"}')
    with pytest.raises(CannotTellError, match=r"spec\.json was written by a newer codecjob .*upgrade"):
        run.submission()
    store.put(key, json.dumps({"version": 1, "submitted": 1.0, "dataset": "d", "spec": {}}).encode())
    assert (run.submission().clips, run.submission().seconds) == (None, None)


def test_a_record_without_its_spec_is_not_complete(store: Store) -> None:
    with pytest.raises(CannotTellError, match=r"spec\.json cannot be read"):
        Run(store, OLDEST).spec()
