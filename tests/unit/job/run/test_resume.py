"""A machine that never begins to run is changed for another."""

import time
from dataclasses import replace
from typing import Any

import pytest

from infra.pods import ANY_MACHINE, LaunchRequest, Machine, Offer, Pod, PodState
from job.errors import UsageError
from job.record.documents import Outcome, StopRequest, Submission
from job.record.run import Run
from job.run import resume, termination
from job.run.resume import MOST_REPLACEMENTS, is_stuck, replace_stuck, stuck_places
from job.watch import run_list, watchdog
from job.watch.end_reasons import MOST_NODES_LOST


class Shop:
    """One GPU in three places; every pod stays at uptime 0 until it is ended."""

    name, settle_seconds = "p", 0.0

    def __init__(self, *places: str) -> None:
        self.places = places
        self.pods: list[Pod] = []
        self.asked: list[tuple[str, ...]] = []

    def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
        return [Offer("p", "L4", 0.4, True, data_centers=self.places)]

    def launch(self, request: LaunchRequest) -> Pod:
        assert request.offer is not None
        self.asked.append(request.offer.data_centers)
        place = request.offer.data_centers[0]
        pod_id = f"pod-{len(self.asked)}"
        state = PodState.STARTING
        pod = Pod(pod_id, "x", request.run_id, request.attempt, request.launch_id, state, 0.4, time.time(), 0.0, place)
        self.pods.append(pod)
        return pod

    def find(self, run_id: str | None) -> list[Pod]:
        return list(self.pods)

    def terminate(self, pod_id: str) -> None:
        self.pods = [pod for pod in self.pods if pod.id != pod_id]

    def logs(self, pod_id: str) -> list[bytes]:
        return []


@pytest.fixture
def rented(store: Any) -> Run:
    run = Run(store, "speech-20250102-030405-00ff")
    spec = {"name": "speech", "data": "/clips", "provider": "docker", "image": "me/codec:1"}
    spec |= {"watch": {"stuck": 0.001, "agent": 0.3}}
    run.create(Submission(submitted=1.0, dataset="0123456789abcdef", spec=spec))
    return run


def give_up(run: Run, shop: Any) -> bool:
    attempt = run.attempts()[-1]
    return replace_stuck(run, shop, attempt, shop.pods[0], 901.0, "client", lambda said: None)


def test_the_next_machine_is_elsewhere(rented: Run) -> None:
    shop: Any = Shop("EU-1", "EU-2", "US-1")
    resume.resume(rented, shop)
    assert give_up(rented, shop)
    assert give_up(rented, shop)
    assert shop.asked == [("EU-1", "EU-2", "US-1"), ("EU-2", "US-1"), ("US-1",)]
    assert stuck_places(rented.attempts()) == {"EU-1", "EU-2"}
    assert [is_stuck(attempt) for attempt in rented.attempts()] == [True, True, False]
    assert [pod.id for pod in shop.pods] == ["pod-3"]
    with pytest.raises(UsageError, match="its pod is ended, and no other can be had"):
        give_up(rented, shop)
    assert shop.pods == []


def test_not_for_ever(rented: Run) -> None:
    shop: Any = Shop(*(f"EU-{number}" for number in range(9)))
    resume.resume(rented, shop)
    for _ in range(MOST_REPLACEMENTS):
        assert give_up(rented, shop)
    with pytest.raises(UsageError, match="4 machines never began to run"):
        give_up(rented, shop)
    assert shop.pods == []


def test_not_for_a_run_that_somebody_has_stopped(rented: Run) -> None:
    shop: Any = Shop("EU-1", "EU-2")
    resume.resume(rented, shop)
    rented.attempt(1).write("stop.json", StopRequest(outcome="stopped", reason="by hand", by="client", time=1.0))
    with pytest.raises(UsageError, match="ended otherwise"):
        give_up(rented, shop)
    assert (shop.pods, len(shop.asked)) == ([], 1)


def test_the_watchdog_does_it_too(rented: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "POLL_SECONDS", 0.0)
    shop: Any = Shop("EU-1", "EU-2")
    resume.resume(rented, shop)
    report = watchdog.look_after(rented, shop, lambda: time.time() + 1, True, lambda said: None)
    assert (report.result, report.finding and report.finding.kind) == ("undecided", "stuck start")
    assert not report.ended
    assert [pod.data_center for pod in shop.pods] == ["EU-2"]
    shop.pods = [replace(pod, uptime=1.0) for pod in shop.pods]
    report = watchdog.look_after(rented, shop, time.time, True, lambda said: None)
    assert report.result == "undecided"


def test_where_there_is_no_other_the_watchdog_says_that_nothing_is_billed(
    rented: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(termination, "POLL_SECONDS", 0.0)
    shop: Any = Shop("EU-1")
    resume.resume(rented, shop)
    told: list[str] = []
    report = watchdog.look_after(rented, shop, lambda: time.time() + 1, True, told.append)
    assert (report.result, report.ended, shop.pods) == ("stopped", True, [])
    assert "no other can be had" in told[-1]


def lose_a_node(run: Run, shop: Any) -> None:
    attempt = run.attempts()[-1]
    shop.pods = []
    attempt.write_once("outcome.json", Outcome.of("node lost", "node 1 of 2 does not answer any more", "agent"))


def test_a_run_that_lost_a_node_goes_on_by_the_watchdog_and_not_for_ever(
    rented: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop: Any = Shop("EU-1")
    monkeypatch.setattr(run_list, "open_provider", lambda name: shop)
    resume.resume(rented, shop)
    for lost in range(1, MOST_NODES_LOST + 1):
        lose_a_node(rented, shop)
        (report,) = watchdog.look_after_all(rented.store, time.time, True, lambda said: None)
        assert report.said.endswith("resumed")
        assert (report.ended, len(rented.attempts()), len(shop.pods)) == (False, lost + 1, 1)
    lose_a_node(rented, shop)
    assert watchdog.look_after_all(rented.store, time.time, True, lambda said: None) == []
    assert shop.pods == []


def test_a_run_that_was_to_end_does_not_go_on(rented: Run) -> None:
    shop: Any = Shop("EU-1")
    resume.resume(rented, shop)
    rented.attempt(1).write("stop.json", StopRequest(outcome="stopped", reason="x", by="client", time=1.0))
    lose_a_node(rented, shop)
    with pytest.raises(UsageError, match="was asked to end"):
        resume.go_on(rented, shop, lambda said: None)
    assert shop.pods == []


def test_a_run_that_lost_a_node_while_nothing_is_free_is_tried_again_at_the_next_look(
    rented: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop: Any = Shop("EU-1")
    monkeypatch.setattr(run_list, "open_provider", lambda name: shop)
    resume.resume(rented, shop)
    lose_a_node(rented, shop)
    offers, shop.offers = shop.offers, lambda machine: []
    (report,) = watchdog.look_after_all(rented.store, time.time, True, lambda said: None)
    assert (report.result, report.ended) == ("cannot tell", False)
    assert "not resumed: provider docker offers nothing that fits" in report.said
    shop.offers = offers
    (report,) = watchdog.look_after_all(rented.store, time.time, True, lambda said: None)
    assert report.said.endswith("resumed")
