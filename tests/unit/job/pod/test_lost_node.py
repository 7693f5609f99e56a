"""Whose fault it was that several nodes have ended."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codec import errors
from infra.store import Store
from job.pod import claim, lost_node
from job.pod import worker_node as other
from job.pod.lost_node import whose_fault
from job.pod.trainer import BAD_INPUT, LOST_OTHERS
from job.pod.worker_node import Node
from job.record.attempt import Attempt
from job.record.documents import Beat, Claim, NodeBeat, Outcome
from job.record.run import Run
from job.run.pod_env import Place, PodEnv


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_node, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(lost_node, "ANSWER_SECONDS", 0.3)


@pytest.fixture
def attempt(run: Run) -> Attempt:
    return run.attempt(1)


def tell(attempt: Attempt, rank: int, state: str, code: int | None = None, said: str = "", began: float = 0.0) -> None:
    fields = {"state": state, "exit_code": code, "said": said, "began": began, "time": time.time()}
    attempt.write(f"nodes/{rank}.json", NodeBeat.model_validate(fields))


def test_the_exit_codes_are_the_trainers() -> None:
    assert (BAD_INPUT, LOST_OTHERS) == (errors.BAD_INPUT, errors.LOST_OTHERS)


def test_a_node_that_neither_ends_nor_beats_is_lost(attempt: Attempt) -> None:
    tell(attempt, 1, "ended", LOST_OTHERS, "error: rank 1 has lost the others: x")
    tell(attempt, 2, "training")
    assert whose_fault(attempt, 3, LOST_OTHERS) == (
        "node lost",
        "a node was lost: node 2 of 3 does not answer any more",
    )


def test_a_node_that_never_spoke_is_lost(attempt: Attempt) -> None:
    fault = whose_fault(attempt, 2, 1)
    assert fault is not None and fault[0] == "node lost"


def test_a_node_that_was_started_again_is_lost(attempt: Attempt) -> None:
    with beating(attempt, began=1000.0):
        lost = ("node lost", "a node was lost: node 1 of 2 was started again")
        assert whose_fault(attempt, 2, LOST_OTHERS, together=990.0) == lost
        assert whose_fault(attempt, 2, LOST_OTHERS, together=1010.0) is None


def test_a_node_that_beats_lives(attempt: Attempt) -> None:
    with beating(attempt):
        assert whose_fault(attempt, 2, LOST_OTHERS) is None


@contextmanager
def beating(attempt: Attempt, began: float = 0.0) -> Iterator[None]:
    """Node 1 trains, for as long as the block lasts."""
    tell(attempt, 1, "training", began=began)
    ending = threading.Event()

    def beat() -> None:
        while not ending.wait(0.02):
            tell(attempt, 1, "training", began=began)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(60)


def test_a_crash_elsewhere_is_told_with_its_words(attempt: Attempt) -> None:
    tell(attempt, 1, "ended", 1, "error: rank 1 was killed by SIGKILL")
    tell(attempt, 2, "ended", LOST_OTHERS, "error: rank 2 has lost the others: x")
    said = "node 1: the trainer crashed with exit code 1: error: rank 1 was killed by SIGKILL"
    assert whose_fault(attempt, 3, LOST_OTHERS) == ("trainer failed", said)


def test_what_the_first_node_says_of_itself_is_its_own_fault(attempt: Attempt) -> None:
    assert whose_fault(attempt, 2, BAD_INPUT) is None


def node(store: Store, run: Run, workspace: Path) -> Node:
    place = Place(2, 1, "node0", 29500)
    return Node(PodEnv(run.run_id, 1, "launch", store.url, time.time() + 60, "pod", "docker", str(workspace), place))


def test_a_node_does_not_train_what_is_not_its_own(
    store: Store, run: Run, attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "CLAIM_SECONDS", 0.1)
    monkeypatch.setattr(other, "TICK_SECONDS", 0.01)
    assert node(store, run, tmp_path).work() == 1
    attempt.write_once("claim.json", Claim(launch_id="another", pod_id="pod", price_per_hour=0.0, time=1.0))
    assert node(store, run, tmp_path).work() == 1
    assert attempt.outcome() is None


def test_a_node_ends_with_the_outcome(
    store: Store, run: Run, attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other, "RESTART_PAUSE_SECONDS", 0.0)
    attempt.write_once("outcome.json", Outcome(outcome="stopped", reason="x", by="client", time=1.0))
    assert node(store, run, tmp_path).work() == 0


class Ended:
    """A trainer that has failed."""

    asked_at = None

    def __init__(self, code: int) -> None:
        self.code = code

    def exit_code(self) -> int:
        return self.code


def test_a_first_node_that_was_started_again_is_joined(
    store: Store, run: Run, attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(other, "AGAIN_SECONDS", 0.1)
    attempt.write("alive.json", Beat(state="training", time=1.0))
    assert node(store, run, tmp_path)._attend(Ended(1)) is None  # type: ignore[arg-type]
    assert attempt.outcome() is None


@pytest.mark.parametrize(("code", "closed"), [(1, True), (3, False)])
def test_a_first_node_that_falls_silent_is_lost(
    store: Store, run: Run, attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, closed: bool
) -> None:
    monkeypatch.setattr(other, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(other, "SILENT_SECONDS", 0.1)
    attempt.write("alive.json", Beat(state="training", time=1.0))
    assert node(store, run, tmp_path)._attend(Ended(code)) == 1  # type: ignore[arg-type]
    outcome = attempt.outcome()
    assert (outcome is not None and outcome.cause == "node lost") is closed
    beat = attempt.node_beat(1)
    assert beat is not None
    assert (beat.state, beat.exit_code) == ("ended", code)
