import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import PATIENCE_SECONDS, wait_until
from infra.store import Store, Unavailable
from job.pod import record_sync as room
from job.pod import shipper as shipping
from job.pod.claim import NotMineError
from job.pod.record_sync import Reporter
from job.pod.shipper import Shipper
from job.record.attempt import Attempt
from job.record.documents import StopRequest
from job.record.run import Run
from job.verdict.signs import State, Verdict


class Store2:
    """A store that can be made slow or sent away."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.hold = threading.Event()
        self.hold.set()
        self.away = False
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        assert self.hold.wait(PATIENCE_SECONDS)
        if self.away:
            raise Unavailable("the store is away")
        return getattr(self.store, name)


class Desk:
    def __init__(self, run: Run, folder: Path) -> None:
        self.store = Store2(run.store)
        self.plain = run.attempt(1)
        self.attempt = Attempt(self.store, run.run_id, 1)  # type: ignore[arg-type]
        self.folder = folder / "training"
        self.folder.mkdir()
        self.said: list[str] = []
        self.refusal: Exception | None = None
        self.recorded = True
        shipper = Shipper(self.attempt, self.folder, folder / "job.log", 1)
        self.reporter = Reporter(self.attempt, shipper, self.check_mine, self.said.append)

    def check_mine(self) -> bool:
        if self.refusal:
            raise self.refusal
        return self.recorded

    def start(self) -> None:
        self.reporter.vouch(10_000)
        self.reporter.start()

    def add_row(self, step: int) -> None:
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"kind": "train", "step": step}) + "\n")

    def rows(self) -> list[int]:
        data = b"".join(piece for _, piece in self.plain.segments("metrics"))
        return [json.loads(line)["step"] for line in data.splitlines()]


@pytest.fixture
def desk(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(room, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(room, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(room, "PAUSE_SECONDS", 0.01)
    desk = Desk(run, tmp_path)
    yield desk
    desk.store.hold.set()
    assert desk.reporter.close(time.monotonic() + PATIENCE_SECONDS)


def test_it_beats_ships_and_hears_a_request(desk: Desk) -> None:
    desk.add_row(1)
    desk.start()
    first = wait_until(desk.plain.beat)
    wait_until(lambda: desk.plain.beat().time > first.time)
    wait_until(lambda: desk.rows() == [1])
    desk.reporter.state = "stopping"
    wait_until(lambda: desk.plain.beat().state == "stopping")
    asked = StopRequest(outcome="stopped", reason="enough", by="client", time=1.0)
    desk.plain.write("stop.json", asked)
    wait_until(lambda: desk.reporter.stop_request == asked)


def test_a_loop_that_hangs_looks_dead_from_outside(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "PIECE_SECONDS", 0.0)
    desk.start()
    wait_until(desk.plain.beat)
    desk.reporter.vouch(0)
    desk.add_row(1)
    wait_until(lambda: desk.rows() == [1])  # a round that may have begun before
    last = desk.plain.beat()
    desk.reporter.tell(None, urgent=True)
    desk.add_row(2)
    wait_until(lambda: desk.rows() == [1, 2])
    assert desk.plain.beat() == last
    desk.reporter.vouch(10_000)
    wait_until(lambda: desk.plain.beat() != last)


def test_a_store_that_hangs_holds_nobody_up(desk: Desk) -> None:
    desk.store.hold.clear()
    desk.start()
    wait_until(lambda: desk.store.asked)
    desk.add_row(1)
    assert [row.step for row in desk.reporter.shipper.new_rows()] == [1]
    desk.reporter.tell(Verdict(State.UNDECIDED, (), "so far"), urgent=True)
    desk.reporter.vouch(10_000)
    assert not desk.reporter.close(time.monotonic() + 0.05), "the call has not come back"
    assert desk.plain.beat() is None


def test_nothing_is_lost_while_the_store_is_away(desk: Desk) -> None:
    desk.store.away = True
    desk.start()
    desk.add_row(1)
    desk.reporter.tell(Verdict(State.UNDECIDED, (), "so far"), urgent=True)
    wait_until(lambda: desk.said)
    desk.add_row(2)
    desk.store.away = False
    wait_until(lambda: desk.rows() == [1, 2])
    assert wait_until(desk.plain.verdict)["summary"] == "so far"
    assert desk.said == ["the record cannot be reached now: the store is away"], "said once"


def test_a_pod_that_is_not_wanted_any_more_stops_beating(desk: Desk) -> None:
    desk.refusal = LookupError("the claim names another pod")
    desk.start()
    assert wait_until(lambda: desk.reporter.failure) is desk.refusal
    assert desk.plain.beat() is None


def test_last_words_are_the_rest_of_everything(desk: Desk) -> None:
    desk.add_row(1)
    (desk.folder.parent / "job.log").write_text("a line\nhalf a li")
    assert desk.reporter.close(0)
    desk.reporter.last_words(Verdict(State.GOOD, (), "well"))
    assert desk.rows() == [1]
    assert b"".join(piece for _, piece in desk.plain.segments("log")) == b"a line\nhalf a li"
    assert desk.plain.verdict()["verdict"] == "good"


def test_a_record_that_is_gone_ends_the_agent_and_is_not_made_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "GONE_SECONDS", 0.2)
    desk.recorded = False
    desk.add_row(1)
    desk.start()
    wait_until(lambda: desk.reporter.failure is not None)
    assert isinstance(desk.reporter.failure, NotMineError)
    assert list(desk.plain.store.list(f"{desk.plain.prefix}/")) == []


def test_a_record_that_is_there_again_goes_on(desk: Desk) -> None:
    desk.recorded = False
    desk.start()
    wait_until(lambda: "the record of this run is gone" in desk.said)
    desk.recorded = True
    desk.add_row(1)
    wait_until(lambda: desk.rows() == [1])
    assert desk.reporter.failure is None
