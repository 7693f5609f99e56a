import pytest

from infra.store import Store, StoreError
from job.record.documents import Outcome
from job.record.run import Run


def ended(outcome: str) -> Outcome:
    return Outcome.model_validate({"outcome": outcome, "reason": "x", "by": "agent", "time": 1.0})


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


def test_events_are_kept_in_order(run: Run) -> None:
    for number in range(20):
        run.attempt(1).note("counted", "client", number=number)
    events = run.attempt(1).events()
    assert [event["number"] for event in events] == list(range(20))
    assert {(event["what"], event["by"]) for event in events} == {("counted", "client")}


def test_segments_come_in_order_from_where_one_has_read_to(run: Run) -> None:
    attempt = run.attempt(1)
    for sequence in (10, 2, 1):
        attempt.add_segment("log", sequence, str(sequence).encode())
    assert list(attempt.segments("log")) == [(1, b"1"), (2, b"2"), (10, b"10")]
    assert list(attempt.segments("log", after=2)) == [(10, b"10")]


def test_a_piece_of_somebody_else_is_never_replaced(run: Run) -> None:
    attempt = run.attempt(1)
    attempt.add_segment("log", 1, b"mine")
    attempt.add_segment("log", 1, b"mine, of which the first answer was lost")
    with pytest.raises(StoreError, match="is the attempt running twice"):
        attempt.add_segment("log", 1, b"another's")
    assert list(attempt.segments("log")) == [(1, b"mine, of which the first answer was lost")]
    assert (attempt.last_sequence("log"), attempt.last_sequence("metrics")) == (1, 0)


def test_a_checkpoint_without_its_manifest_is_not_complete(run: Run, store: Store) -> None:
    prefix = run.attempt(1).prefix
    store.put(f"{prefix}/checkpoints/00000010/manifest.json", b"{}")
    store.put(f"{prefix}/checkpoints/00000020/model.safetensors", b"half")
    store.put(f"{prefix}/evidence/00000030/manifest.json", b"{}")
    assert [(ref.attempt, ref.step, ref.prefix) for ref in run.attempt(1).checkpoints()] == [
        (1, 10, f"{prefix}/checkpoints/00000010")
    ]
