"""Which answers of a provider lead to another try, and which never do."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from fakes.memory_store import MemoryStore
from helpers import event_names
from infra.pods import (
    ANY_MACHINE,
    InvalidRequest,
    LaunchRequest,
    Machine,
    NoBalance,
    NoCapacity,
    Offer,
    OfferRefused,
    Pod,
    PodState,
    Provider,
    ProviderError,
    RateLimited,
    Transient,
    Unauthorised,
)
from infra.store import Unavailable
from job.errors import UsageError
from job.record.attempt import Attempt
from job.record.documents import Claim
from job.record.run import Run
from job.run import launch
from job.run.offers import look_for
from job.spec.load import check_spec
from job.spec.model import JobSpec, WandbSpec

SPEC: JobSpec = check_spec({"name": "speech", "data": "/clips", "provider": "p", "image": "me/codec:1"}, "test")
LOCAL: JobSpec = check_spec({"name": "speech", "data": "/clips", "provider": "local"}, "test")
Answer = BaseException | None


class Desk:
    """A provider with three offers that gives one prepared answer a launch."""

    name, settle_seconds = "p", 0.0

    def __init__(self, *answers: Answer, listed: bool = False) -> None:
        self.answers = list(answers)
        self.listed = listed
        self.requests: list[LaunchRequest] = []
        self.ended: list[str] = []

    def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
        return [Offer("p", gpu, price, True) for gpu, price in (("L4", 0.4), ("A40", 0.5), ("L40S", 0.8))]

    def launch(self, request: LaunchRequest) -> Pod:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer
        return self._pod(request)

    def find(self, run_id: str | None) -> list[Pod]:
        return [self._pod(self.requests[-1])] if self.listed else []

    def terminate(self, pod_id: str) -> None:
        self.ended.append(pod_id)

    def _pod(self, request: LaunchRequest) -> Pod:
        return Pod("pod-1", request.name, request.run_id, 1, request.launch_id, PodState.STARTING, 0.5, None)


def test_the_claim_says_what_the_pod_has(run: Run, start: Callable[[Any], Pod]) -> None:
    start(Desk(NoCapacity("full"), None))
    claim = run.attempt(1).claim()
    assert claim is not None
    assert (claim.pod_id, claim.gpu, claim.price_per_hour) == ("pod-1", "A40", 0.5)


@pytest.fixture
def start(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Pod]:
    monkeypatch.setattr(launch, "LOOK_PAUSE_SECONDS", 0.0)

    def start(desk: Any) -> Pod:
        planned = launch.plan(run.store, run.run_id, 1, SPEC, look_for(desk, SPEC).candidates)
        return launch.start(desk, run.attempt(1), planned)

    return start


def test_no_capacity_leads_to_the_next_offer(run: Run, start: Callable[[Any], Pod]) -> None:
    desk = Desk(NoCapacity("L4 is gone"), NoCapacity("A40 is gone"), None)
    start(desk)
    assert [request.offer.gpu for request in desk.requests if request.offer] == ["L4", "A40", "L40S"]
    assert len({request.launch_id for request in desk.requests}) == 3
    claim = run.attempt(1).claim()
    assert claim is not None
    assert claim.launch_id == desk.requests[2].launch_id
    assert event_names(run.attempt(1)) == ["refused", "refused", "launched"]
    assert run.attempt(1).events()[0]["answer"] == "L4 is gone"


def test_what_may_be_one_offers_fault_leads_to_the_next(run: Run, start: Callable[[Any], Pod]) -> None:
    desk = Desk(OfferRefused("400: no words that anybody knows"), None)
    start(desk)
    assert event_names(run.attempt(1)) == ["refused", "launched"]


def test_what_every_offer_is_refused_for_is_the_requests_fault(run: Run, start: Callable[[Any], Pod]) -> None:
    with pytest.raises(InvalidRequest, match="all 3 offers were refused: a rule is broken"):
        start(Desk(*[OfferRefused("a rule is broken")] * 3))
    outcome = run.attempt(1).outcome()
    assert outcome is not None
    assert "a rule is broken" in outcome.reason


def test_where_some_had_no_room_unknown_words_mean_the_same(run: Run, start: Callable[[Any], Pod]) -> None:
    with pytest.raises(NoCapacity, match="none of 3 offers had room: full"):
        start(Desk(OfferRefused("full"), NoCapacity("gone"), OfferRefused("full")))


def test_no_capacity_anywhere_ends_the_attempt(run: Run, start: Callable[[Any], Pod]) -> None:
    with pytest.raises(NoCapacity, match="none of 3 offers had room: gone"):
        start(Desk(*[NoCapacity("gone")] * 3))
    outcome = run.attempt(1).outcome()
    assert outcome is not None
    assert outcome.outcome == "failed"


@pytest.mark.parametrize(
    "answer",
    [Unauthorised("bad key"), NoBalance("empty"), InvalidRequest("no such image"), RateLimited("fewer calls")],
)
def test_what_no_other_offer_would_mend_ends_the_attempt_at_once(
    run: Run, start: Callable[[Any], Pod], answer: ProviderError
) -> None:
    desk = Desk(answer, None)
    with pytest.raises(type(answer)):
        start(desk)
    assert len(desk.requests) == 1
    assert run.attempt(1).outcome() is not None


@pytest.mark.parametrize("answer", [Transient("timeout"), ProviderError("odd")])
def test_an_answer_that_is_not_clear_never_leads_to_a_second_create(
    run: Run, start: Callable[[Any], Pod], answer: ProviderError
) -> None:
    desk = Desk(answer, None)
    with pytest.raises(ProviderError, match=str(answer)):
        start(desk)
    assert len(desk.requests) == 1
    assert run.attempt(1).outcome() is None  # nobody knows yet
    assert run.attempt(1).claim() is None


def test_a_pod_that_was_made_all_the_same_is_adopted(run: Run, start: Callable[[Any], Pod]) -> None:
    assert start(Desk(Transient("timeout"), listed=True)).id == "pod-1"
    claim = run.attempt(1).claim()
    assert claim is not None
    assert claim.pod_id == "pod-1"
    assert event_names(run.attempt(1)) == ["no clear answer", "adopted", "launched"]


@pytest.mark.parametrize("trouble", [Unavailable("the store is away"), KeyboardInterrupt()])
def test_a_pod_that_cannot_be_claimed_is_ended_since_it_may_never_begin_to_run(
    run: Run, start: Callable[[Any], Pod], monkeypatch: pytest.MonkeyPatch, trouble: BaseException
) -> None:
    write_once = Attempt.write_once

    def write(self: Attempt, name: str, document: Any) -> bool:
        if name == "claim.json":
            raise trouble
        return write_once(self, name, document)

    monkeypatch.setattr(Attempt, "write_once", write)
    desk = Desk(None)
    with pytest.raises(type(trouble)):
        start(desk)
    assert desk.ended == ["pod-1"]
    assert run.attempt(1).claim() is None


def test_a_pod_that_came_though_its_launch_was_interrupted_is_ended(run: Run, start: Callable[[Any], Pod]) -> None:
    desk = Desk(KeyboardInterrupt(), listed=True)
    with pytest.raises(KeyboardInterrupt):
        start(desk)
    assert desk.ended == ["pod-1"]


def test_a_pod_is_ended_where_another_one_was_claimed_meanwhile(run: Run, start: Callable[[Any], Pod]) -> None:
    other = Claim(launch_id="other", pod_id="pod-2", price_per_hour=0.0, time=1.0)
    run.attempt(1).write_once("claim.json", other)
    desk = Desk(None)
    with pytest.raises(UsageError, match="claimed for pod pod-2 meanwhile"):
        start(desk)
    assert desk.ended == ["pod-1"]


def test_a_claimed_pod_is_not_given_up_for_the_audit_trail(
    run: Run, start: Callable[[Any], Pod], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Attempt, what: str, by: str, **more: object) -> None:
        raise Unavailable("the store is away")

    monkeypatch.setattr(Attempt, "note", away)
    desk = Desk(Transient("timeout"), listed=True)
    assert start(desk).id == "pod-1"
    assert run.attempt(1).claim() is not None
    assert desk.ended == []


def test_the_budget_of_an_adopted_pod_without_a_price_is_reckoned_by_the_offer(
    run: Run, start: Callable[[Any], Pod], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(Transient("timeout"), listed=True)
    listed = desk._pod
    monkeypatch.setattr(desk, "_pod", lambda request: replace(listed(request), price_per_hour=0.0))
    start(desk)
    claim = run.attempt(1).claim()
    assert claim is not None
    assert claim.price_per_hour == 0.4


def test_every_request_carries_the_key_of_wandb_where_that_is_wanted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    wanted = SPEC.model_copy(update={"provider": "docker", "wandb": WandbSpec.model_validate({"mode": "online"})})
    candidates = look_for(Desk(), SPEC).candidates
    planned = launch.plan(run.store, run.run_id, 1, wanted, candidates)
    assert {request.env["WANDB_API_KEY"] for request in planned.requests} == {"0123456789" * 4}
    assert "WANDB_API_KEY" not in launch.plan(run.store, run.run_id, 1, SPEC, candidates).requests[0].env


@pytest.mark.parametrize("ahead", [50.0, -50.0])
def test_intent_and_claim_carry_the_time_of_the_store(ahead: float) -> None:
    store, provider = MemoryStore("clock", lambda: time.time() - ahead), Desk(None)
    run, desk = Run(store, "a"), cast("Provider", provider)
    planned = launch.plan(store, "a", 1, LOCAL, look_for(desk, LOCAL).candidates, ahead=ahead)
    launch.start(desk, run.attempt(1), planned)
    intent, claim = run.attempt(1).intent(), run.attempt(1).claim()
    assert intent is not None
    assert claim is not None
    assert intent.time == pytest.approx(store.clock(), abs=5)
    assert claim.time == pytest.approx(store.clock(), abs=5)
    assert intent.deadline == pytest.approx(intent.time + LOCAL.max_hours * 3600)
    assert intent.max_hours == LOCAL.max_hours
    assert planned.requests[0].env["CODECJOB_MAX_SECONDS"] == f"{LOCAL.max_hours * 3600:.0f}"
