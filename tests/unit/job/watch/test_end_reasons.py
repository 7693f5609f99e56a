from dataclasses import replace
from typing import Any

import pytest

from infra.pods import Pod, PodState
from job.record.documents import Beat, Claim, Intent, Outcome, Progress, Submission
from job.record.judged_cache import Judged
from job.run.seen import AttemptFacts, Seen
from job.spec.load import check_spec
from job.verdict.pace import pace
from job.verdict.rows import Row
from job.verdict.signs import State, Verdict
from job.watch.end_reasons import (
    GO_ON_SECONDS,
    MOST_NODES_LOST,
    Finding,
    goes_on,
    judge,
)

NOW = 1_000_000.0
UNDECIDED = Verdict(State.UNDECIDED, (), "no validation row yet")
INTENT = Intent(launch_id="launch", pod_name="pod", deadline=NOW + 3600, time=NOW - 7200)
CLAIM = Claim(launch_id="launch", pod_id="mine", price_per_hour=1.0, time=NOW - 7200)
WATCH = {"agent": 900, "silent": 300, "starting": 3600}


def pod(pod_id: str = "mine", attempt: int = 1, age: float | None = 7200) -> Pod:
    created = None if age is None else NOW - age
    return Pod(pod_id, "name", "run", attempt, "launch", PodState.RUNNING, 1.0, created)


def facts(number: int = 1, **changes: Any) -> AttemptFacts:
    return replace(AttemptFacts(number, INTENT, CLAIM, None), **changes)


SPENT = facts(claim=CLAIM.model_copy(update={"price_per_hour": 3.0}))  # 6 USD in two hours, of 5


def outcome(name: str, age: float) -> Outcome:
    return Outcome.model_validate({"outcome": name, "reason": "x", "by": "agent", "time": NOW - age})


def sight(**changes: Any) -> Seen:
    """A healthy run in the middle of an epoch, unless something is changed."""
    judged = Judged(changes.pop("verdict", UNDECIDED), changes.pop("pace", pace([])), None, None)
    healthy = Seen(
        run_id="run",
        now=NOW,
        submission=Submission(submitted=NOW, dataset="d", spec={}),
        spec=check_spec({"name": "speech", "data": "/clips", "max_cost": 5, "watch": WATCH}, "test"),
        attempts=(facts(),),
        pods=(pod(),),
        trouble=None,
        rows=[],
        judged=judged,
        stop=None,
        beat=Beat(state="training", time=50.0),  # the pod's clock is decades behind, and that is no sign of anything
        beat_age=2.0,
        progress=Progress(step=9, epoch=1, phase="training", time=49.0),
    )
    return replace(healthy, **changes)


def found(**changes: Any) -> Finding:
    finding = judge(sight(**changes))
    assert finding is not None
    return finding


def test_a_healthy_run_is_left_alone() -> None:
    assert judge(sight()) is None


def test_time_and_money_come_first_and_then_a_bad_verdict() -> None:
    bad = Verdict(State.BAD, (), "snr_db -3 is bad")
    assert found(verdict=bad, beat_age=10_000.0, attempts=(SPENT,)).kind == "budget"
    finding = found(verdict=bad, beat_age=10_000.0)
    assert (finding.kind, finding.reason) == ("bad signs", bad.summary)


@pytest.mark.parametrize(("age", "silent"), [(899.0, False), (901.0, True)])
def test_an_agent_may_be_silent_for_its_time(age: float, silent: bool) -> None:
    finding = judge(sight(beat_age=age))
    assert (finding is not None and finding.kind == "agent silent") == silent


@pytest.mark.parametrize(
    ("phase", "age", "hung"), [("training", 478, False), ("training", 482, True), ("validating", 482, False)]
)
def test_a_loop_has_its_phases_time_and_the_agent_its_own_on_top(phase: str, age: float, hung: bool) -> None:
    progress = Progress(step=9, epoch=1, phase=phase, time=50.0 - age)
    finding = judge(sight(progress=progress, beat_age=0.0))
    assert (finding is not None and finding.kind == "loop silent") == hung


def test_while_it_stops_a_loop_need_not_beat() -> None:
    progress = Progress(step=9, epoch=1, phase="training", time=-5000.0)
    assert judge(sight(progress=progress, beat=Beat(state="stopping", time=50.0))) is None


@pytest.mark.parametrize(("age", "silent"), [(3500.0, False), (3700.0, True)])
def test_an_agent_that_never_reported_has_the_time_of_a_start(age: float, silent: bool) -> None:
    claim = CLAIM.model_copy(update={"time": NOW - age})
    finding = judge(sight(attempts=(facts(claim=claim),), beat=None, beat_age=None, progress=None))
    assert (finding is not None and finding.kind == "agent silent") == silent


@pytest.mark.parametrize(("late", "over"), [(-60.0, False), (60.0, False), (200.0, True)])
def test_the_deadline_is_the_agents_first(late: float, over: bool) -> None:
    intent = INTENT.model_copy(update={"deadline": NOW - late})
    finding = judge(sight(attempts=(facts(intent=intent),)))
    assert (finding is not None and finding.kind == "deadline") == over


def test_a_spent_budget_ends_a_run() -> None:
    finding = found(attempts=(SPENT,))
    assert finding.kind == "budget"
    assert "5 USD" in finding.reason


def test_an_overdue_validation_ends_a_run() -> None:
    rows = [Row(1, "start", 0, 0, {"time": 0.0}), *(Row(1, "validation", at, at, {"time": at * 60.0}) for at in (1, 2))]
    rows += [Row(1, "train", 3 + index, 2, {"time": 120.0 + index * 50}) for index in range(40)]
    assert found(pace=pace(rows)).kind == "overdue"
    assert judge(sight(pace=pace(rows[:20]))) is None


# Pods.


@pytest.mark.parametrize(("age", "orphan"), [(60.0, False), (400.0, True)])
def test_a_pod_that_outlives_its_outcome_is_still_billed(age: float, orphan: bool) -> None:
    finding = judge(sight(attempts=(facts(outcome=outcome("succeeded", age)),)))
    assert (finding is not None and (finding.kind, finding.pods) == ("still billed", ("mine",))) == orphan


def test_a_pod_of_an_older_attempt_is_seen_beside_a_healthy_one() -> None:
    attempts = (facts(1, outcome=outcome("failed", 5000)), facts(2, claim=CLAIM.model_copy(update={"pod_id": "new"})))
    finding = found(attempts=attempts, pods=(pod("mine", 1), pod("new", 2)))
    assert (finding.kind, finding.pods, finding.attempt) == ("still billed", ("mine",), 1)


@pytest.mark.parametrize(("age", "orphan"), [(200.0, False), (400.0, True), (None, False)])
def test_a_pod_that_no_claim_names_is_ended_once_its_time_to_be_claimed_is_over(
    age: float | None, orphan: bool
) -> None:
    finding = judge(sight(attempts=(facts(claim=None),), pods=(pod(age=age),), beat=None, beat_age=None))
    assert (finding is not None and (finding.kind, finding.pods) == ("unclaimed", ("mine",))) == orphan


def test_the_second_pod_of_a_claimed_attempt_is_unclaimed_and_the_first_is_left_alone() -> None:
    assert found(pods=(pod("mine"), pod("other"))).pods == ("other",)


def test_a_pod_that_is_gone_without_an_outcome_is_lost() -> None:
    assert found(pods=()).kind == "lost"


def test_a_pod_that_was_just_claimed_may_not_be_listed_yet() -> None:
    fresh = facts(claim=CLAIM.model_copy(update={"time": NOW - 30}))
    assert judge(sight(attempts=(fresh,), pods=(), beat=None, beat_age=None, progress=None)) is None


def test_a_run_that_has_ended_is_left_alone() -> None:
    assert judge(sight(attempts=(facts(outcome=outcome("failed", 5000)),), pods=())) is None


def test_what_rests_on_an_absence_needs_more_than_one_look() -> None:
    assert found(attempts=(SPENT,)).sure_at_once
    assert not found(beat_age=5000.0).sure_at_once
    assert not found(pods=()).sure_at_once


@pytest.mark.parametrize(
    ("uptime", "age", "beat", "stuck"),
    [(0.0, 901, False, True), (0.0, 899, False, False), (5.0, 901, False, False), (None, 901, False, False),
     (0.0, 901, True, False)],
)  # fmt: skip
def test_a_pod_that_never_began_to_run_is_stuck(uptime: float | None, age: float, beat: bool, stuck: bool) -> None:
    claim = CLAIM.model_copy(update={"time": NOW - age})
    own = replace(pod(), uptime=uptime, data_center="EU-1")
    seen = {} if beat else {"beat": None, "beat_age": None, "progress": None}
    finding = judge(sight(attempts=(facts(claim=claim),), pods=(own,), **seen))
    assert (finding is not None and finding.kind == "stuck start") == stuck
    assert not stuck or (finding is not None and "in EU-1 has not begun to run in 901 s" in finding.reason)


def lost(age: float = 60.0) -> Outcome:
    return outcome("failed", age).model_copy(update={"cause": "node lost"})


def test_a_run_that_has_lost_a_node_goes_on_once_its_pod_is_gone() -> None:
    finding = found(attempts=(facts(outcome=lost()),), pods=())
    assert (finding.kind, finding.attempt, finding.sure_at_once) == ("node lost", 1, True)
    assert judge(sight(attempts=(facts(outcome=lost()),), pods=(pod(),))) is None
    assert judge(sight(attempts=(facts(outcome=outcome("failed", 60)),), pods=())) is None
    worded = outcome("failed", 60).model_copy(update={"reason": "a node was lost: node 1 of 2"})
    assert judge(sight(attempts=(facts(outcome=worded),), pods=())) is None, "the cause decides, not its words"


def test_but_not_for_ever_and_not_much_later() -> None:
    assert judge(sight(attempts=(facts(outcome=lost(GO_ON_SECONDS + 1)),), pods=())) is None
    often = tuple(facts(number, outcome=lost()) for number in range(1, MOST_NODES_LOST + 2))
    assert goes_on(often[:-1], NOW)
    assert judge(sight(attempts=often, pods=())) is None


def test_a_cluster_that_cannot_end_itself_is_ended_as_soon_as_its_attempt_has() -> None:
    cluster = replace(pod(), ends_itself=False)
    finding = found(attempts=(facts(outcome=outcome("succeeded", 0.5)),), pods=(cluster,))
    assert (finding.kind, finding.pods) == ("still billed", ("mine",))
    assert judge(sight(attempts=(facts(outcome=outcome("succeeded", 0.5)),), pods=(pod(),))) is None
