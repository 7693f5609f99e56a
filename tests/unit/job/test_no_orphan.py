"""The proof: whatever dies or fails, nothing is billed in the end that no record owns, and no run has two pods.

`fakes.story` says what is real in these histories (launch, agent, supervisor, watchdog, reconcile, resume) and what is
played (the vendor, the store, the clock, the trainer).
"""

import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.rented_pods import Fault, Plan
from fakes.story import MAX_HOURS, TRAINING_SECONDS, Act, Action, Clocks, History, Story, told
from fakes.world import EPOCH
from helpers import event_names
from infra.pods import LaunchRequest, Pod, Provider, ProviderError
from infra.store import StoreError
from job.pod import agent, self_termination
from job.pod.preparation import MOST_RESTARTS
from job.pod.worker_node import AGAIN_SECONDS
from job.record.attempt import Attempt
from job.run import launch, resume
from job.run.pod_env import PodEnv

SUBMIT = Action(0.0, "submit")
deaths = st.one_of(st.none(), st.none(), st.none(), st.integers(1, 60))
# More calls to the outside than any process makes that a history kills; `test_every_step...` checks that.
CLIENT_CALLS, AGENT_CALLS, NODE_CALLS, WATCH_CALLS = 20, 130, 60, 130


def assert_sound(story: Story) -> None:
    assert story.troubles == [], story.history


# One at a time: every step of every process is its last.


@pytest.mark.parametrize("fault", list(Fault))
def test_a_client_dies_at_every_step(fault: Fault) -> None:
    for call in range(1, CLIENT_CALLS + 1):
        story = told(History([Action(0.0, "submit", call)], Plan(launches=[fault])))
        assert_sound(story)
    assert story.calls["submit"] < CLIENT_CALLS  # the last one lived


@pytest.mark.parametrize(("again", "refuses_self"), [(1, False), (9, True)])
def test_an_agent_dies_at_every_step(again: int, refuses_self: bool) -> None:
    """Once, or every time that its container is started again."""
    for call in range(1, AGENT_CALLS + 1):
        story = told(History([SUBMIT], Plan(agent_dies_at=[call] * again, refuses_self=refuses_self)))
        assert_sound(story)
    assert story.calls["agent"] < AGENT_CALLS


def test_a_container_that_never_gets_anywhere_is_not_started_for_ever() -> None:
    story = told(History([SUBMIT], Plan(agent_dies_at=[40] * 99)))
    assert_sound(story)
    (rented,) = story.provider.pods.values()
    outcome = story.run.attempt(1).outcome()
    assert outcome is not None
    assert outcome.reason == "the container was started again 3 times without a new checkpoint"
    assert rented.starts == MOST_RESTARTS + 1


def test_an_agent_that_cannot_start_takes_its_pod_along_though_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(env: PodEnv) -> agent.Agent:
        raise StoreError("no module named boto3")

    monkeypatch.setattr(agent, "Agent", broken)
    story = told(History([SUBMIT]))
    assert_sound(story)
    (rented,) = story.provider.pods.values()
    assert rented.starts == 1
    outcome = story.run.attempt(1).outcome()
    assert outcome is not None
    assert (outcome.by, outcome.reason) == (self_termination.SUPERVISOR, self_termination.NO_AGENT)


def test_an_agent_that_is_killed_at_every_start_costs_no_more_than_max_hours() -> None:
    story = told(History([SUBMIT], Plan(agent_dies_at=[1] * 9999)))
    assert_sound(story)
    (rented,) = story.provider.pods.values()
    assert rented.gone is not None
    assert rented.gone - EPOCH < MAX_HOURS * 3600 + 60


def test_a_watchdog_dies_at_every_step_of_ending_a_dead_run() -> None:
    for call in range(1, WATCH_CALLS + 1):
        plan = Plan(agent_dies_at=[40] * 9, refuses_self=True)
        story = told(History([SUBMIT, Action(900.0, "watch", call)], plan))
        assert_sound(story)
    assert story.calls["watch"] < WATCH_CALLS


def test_a_client_dies_at_every_step_of_a_resume() -> None:
    for call in range(1, 3 * CLIENT_CALLS + 1):
        story = told(History([SUBMIT, Action(300.0, "resume", call)], vanish_at=100.0))
        assert_sound(story)
    assert story.calls["resume"] < 3 * CLIENT_CALLS


@pytest.mark.parametrize("later", ["stop", "resume", "reconcile", "watch"])
def test_a_run_that_was_stopped_while_the_store_was_away_is_found_ended_by_whoever_looks_later(later: Act) -> None:
    stopped = [SUBMIT, Action(100.0, "stop"), Action(300.0, later)]
    story = told(History(stopped, store_away=[(90.0, 60.0)]))
    assert_sound(story)
    assert story.stops_unrecorded == 1
    rented = story.provider.pods["pod-1"]
    assert rented.gone is not None
    assert rented.gone - EPOCH < 150.0, "before the store was there again"
    outcome = story.run.attempt(1).outcome()
    assert outcome is not None
    assert outcome.outcome == ("stopped" if later == "stop" else "failed")
    assert len(story.provider.pods) == (2 if later == "resume" else 1)


# Several nodes: one pod that cannot end itself, whose containers die one at a time.

SLACK_SECONDS = 45.0  # boot, restart, and what the looks of a history lie apart
WATCHED = [Action(300.0, "watch"), Action(700.0, "watch")]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_node_of_several_dies_at_every_step(rank: int) -> None:
    ended: Counter[str] = Counter()
    for call in range(1, (NODE_CALLS if rank else AGENT_CALLS) + 1):
        story = told(History([SUBMIT, *WATCHED], Plan(agent_dies_at=[None] * rank + [call]), nodes=2))
        assert_sound(story)
        ends = [how_it_went(attempt) for attempt in story.run.attempts()]
        # Whatever dies: found out, started again, joined, and at worst all is trained once more.
        assert max(seconds for _, seconds in ends) < AGAIN_SECONDS + 2 * TRAINING_SECONDS + SLACK_SECONDS, call
        ended[ends[-1][0]] += 1
        ended["resumed"] += len(ends) > 1
    assert story.calls["node" if rank else "agent"] < (NODE_CALLS if rank else AGENT_CALLS)
    assert ended["succeeded"] == (NODE_CALLS if rank else AGENT_CALLS)
    assert (ended["resumed"] > 10) is bool(rank), "the loss of a node beside the first restarts the job"


def how_it_went(attempt: Attempt) -> tuple[str, float]:
    """The outcome, and the seconds from the launch to it."""
    intent, outcome = attempt.intent(), attempt.outcome()
    assert intent is not None
    assert outcome is not None
    return outcome.outcome, outcome.time - intent.time


# A store that can be read and takes no write, and a pod that writes whatever it is able to write.

LAST_SECONDS = 1500.0  # the deadline, what the agent gets after it, the watchdog's look at 1,000 s and its grace
LATER = [Action(1000.0, "watch")]


@pytest.mark.parametrize("begin", [30.0, 150.0, 800.0])
def test_a_store_that_takes_no_write_disarms_no_watchdog(begin: float) -> None:
    plan = Plan(agent_dies_at=[60] * 99, refuses_self=True)
    story = told(History([SUBMIT, *LATER], plan, store_full=[(begin, 5000.0)]))
    assert_sound(story)
    assert_ended_in_time(story)


def assert_ended_in_time(story: Story) -> None:
    rented = story.provider.pods["pod-1"]
    assert rented.gone is not None, story.history
    assert rented.gone - EPOCH < LAST_SECONDS, story.history


LIES = {
    "alive.json": [b'{"state": "training", "time": 1e12}'],
    "progress.json": [b'{"step": 1, "epoch": 1, "phase": "saving", "time": 1e12}'],
    "outcome.json": [
        b'{"outcome": "succeeded", "reason": "done", "by": "agent", "time": 1e12}',
        b'{"outcome": "failed", "cause": "node lost", "reason": "\\u001b[2J", "by": "agent", "time": 1}',
    ],
    "verdict.json": [b'{"verdict": "good"}'],
    "intent.json": [b'{"launch_id": "x", "pod_name": "x", "deadline": 1e18, "time": 1}'],
    "claim.json": [b'{"launch_id": "x", "pod_id": "x", "price_per_hour": 0, "time": 1}'],
    "stop.json": [b'{"outcome": "stopped", "reason": "x", "by": "x", "time": 1e12}'],
    "metrics/00000001": [b'{"kind": "validation", "step": 1e308, "epoch": -1, "snr_db": "NaN"}\n'],
    "log/00000001": [b"\\xff\\x00"],
    "events/20270115T080000.000-0.json": [b'{"what": 1}'],
    "checkpoints/9/manifest.json": [b'{"files": 1}'],
}
GARBAGE = [b"", b"{", b"[" * 100_000, b"null", b"\xff\xfe"]


@pytest.mark.parametrize("name", LIES)
def test_nothing_that_a_pod_writes_keeps_it_billed(name: str) -> None:
    for data in (*LIES[name], *GARBAGE):
        story = told(History([SUBMIT, *LATER], Plan(refuses_self=True), hostile=[(20.0, name, data)]))
        assert_ended_in_time(story)
        again = [(at, name, data) for at in (20.0, 300.0, 721.0, 950.0, 1001.0, 1100.0)]
        assert_ended_in_time(told(History([SUBMIT, *LATER], Plan(refuses_self=True), hostile=again)))


def test_no_pod_that_writes_what_it_likes_outlives_its_deadline() -> None:
    lies = [(name, data) for name, known in LIES.items() for data in (*known, *GARBAGE)]
    writes = st.lists(st.tuples(st.integers(0, 1200).map(float), st.sampled_from(lies)), min_size=1, max_size=8)
    plans = st.builds(Plan, refuses_self=st.just(True), agent_dies_at=st.lists(deaths, max_size=3))

    @settings(max_examples=300, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(writes, plans)
    def tell(written: list[tuple[float, tuple[str, bytes]]], plan: Plan) -> None:
        hostile = [(at, name, data) for at, (name, data) in written]
        story = told(History([SUBMIT, *LATER], plan, hostile=hostile))
        assert [trouble for trouble in story.troubles if "billed at the end" in trouble] == [], story.history
        assert_ended_in_time(story)

    tell()


# All at once.

acts: st.SearchStrategy[Act] = st.sampled_from(
    ["resume", "resume", "resume", "watch", "watch", "stop", "reconcile", "terminate orphans"]
)
times = st.integers(0, 60).map(lambda number: number * 15.0)
spans = st.lists(st.tuples(times, st.sampled_from([5.0, 60.0, 300.0, 700.0])), max_size=2)
histories = st.builds(
    History,
    actions=st.lists(st.builds(Action, times, acts, deaths), min_size=1, max_size=5).flatmap(
        lambda later: deaths.map(lambda dies_at: [Action(0.0, "submit", dies_at), *later])
    ),
    plan=st.builds(
        Plan,
        launches=st.lists(st.sampled_from(list(Fault)), max_size=4),
        silent=spans,
        refuses_self=st.booleans(),
        agent_dies_at=st.lists(st.one_of(st.none(), st.integers(1, 110)), max_size=6),
    ),
    store_away=spans,
    store_full=spans,
    mute=st.booleans(),
    vanish_at=st.one_of(st.none(), times),
)


def test_no_history_leaves_an_orphan_or_two_pods() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=1000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(histories)
    def tell(history: History) -> None:
        story = told(history)
        assert_sound(story)
        seen.update({what for attempt in story.run.attempts() for what in event_names(attempt)})
        seen["several attempts"] += len(story.run.attempts()) > 1
        seen["several trainings"] += len(story.trainings) > 1
        seen["stopped without the record"] += story.stops_unrecorded

    tell()
    # A world in which nothing happens proves nothing.
    often = (
        "launched",
        "no clear answer",
        "refused",
        "adopted",
        "agent started",
        "ended",
        "terminating",
        "still billed",
    )
    assert {what: seen[what] for what in often if seen[what] < 40} == {}
    assert min(seen["several attempts"], seen["several trainings"]) > 40
    assert min(seen["stuck start"], seen["stopped without the record"]) > 0


def test_no_history_of_several_nodes_leaves_an_orphan_or_two_pods() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=150, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(histories)
    def tell(history: History) -> None:
        story = told(replace(history, nodes=2))
        assert_sound(story)
        seen["trained together"] += any(training.met for training in story.trainings)

    tell()
    assert seen["trained together"] > 50


# Clocks that differ: a healthy run, and whoever may look at it from a machine with the wrong time.

SKEWS = (-7200.0, -90.0, 90.0, 86_400.0)
LOOKS: list[Action] = [
    Action(40.0, "reconcile"),
    Action(60.0, "watch"),
    Action(100.0, "terminate orphans"),
    Action(130.0, "resume"),
]


def assert_healthy(story: Story) -> None:
    """The run was left alone: one attempt, one pod, and it has finished."""
    assert_sound(story)
    (attempt,) = story.run.attempts()
    outcome = attempt.outcome()
    assert outcome is not None, story.history
    assert (outcome.outcome, outcome.by) == ("succeeded", "agent"), (story.history, outcome)


@pytest.mark.parametrize("machine", ["client", "watchdog", "pod", "store"])
@pytest.mark.parametrize("ahead", SKEWS)
def test_no_healthy_run_is_closed_by_one_wrong_clock(machine: str, ahead: float) -> None:
    assert_healthy(told(History([SUBMIT, *LOOKS], clocks=Clocks(**{machine: ahead}))))


@pytest.mark.parametrize("act", ["resume", "reconcile", "watch", "stop"])
@pytest.mark.parametrize("at", [5.0, 100.0])
def test_no_healthy_run_is_closed_by_another_account(act: Act, at: float) -> None:
    """Before the first beat, and after."""
    assert_healthy(told(History([SUBMIT, Action(at, act, stranger=True)])))


@pytest.mark.parametrize("ahead", SKEWS)
def test_a_deadline_is_kept_whatever_the_clock_of_the_pod(ahead: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakes.story.TRAINING_SECONDS", 1e6)
    story = told(History([SUBMIT], clocks=Clocks(pod=ahead)))
    assert_sound(story)
    (rented,) = story.provider.pods.values()
    assert rented.gone is not None
    assert MAX_HOURS * 3600 - 5 < rented.gone - EPOCH < MAX_HOURS * 3600 + 120
    outcome = story.run.attempt(1).outcome()
    assert outcome is not None
    assert outcome.outcome == "expired"


@pytest.mark.parametrize("ahead", SKEWS)
def test_a_client_with_a_wrong_clock_starts_nothing(ahead: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clocks, "of", lambda self, act: ahead)
    story = told(History([SUBMIT]))
    assert_sound(story)
    assert story.provider.pods == {}


def test_no_history_with_wrong_clocks_leaves_an_orphan_or_two_pods() -> None:
    skews = st.sampled_from((0.0, *SKEWS))

    @settings(max_examples=300, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(histories, st.builds(Clocks, skews, skews, skews, skews))
    def tell(history: History, clocks: Clocks) -> None:
        assert_sound(told(replace(history, clocks=clocks)))

    tell()


# The proof must be able to fail.


def find_trouble(trouble: str) -> None:
    """Asserts that one of the first histories is found unsound, and why."""
    seen: list[str] = []

    @settings(max_examples=200, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(histories)
    def look(history: History) -> None:
        if not seen:
            seen.extend(found for found in told(history).troubles if trouble in found)

    look()
    assert seen


def test_a_launch_that_creates_again_after_a_timeout_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_again(provider: Provider, attempt: Attempt, request: LaunchRequest) -> Pod:
        try:
            return provider.launch(request)
        except ProviderError as error:
            if isinstance(error, launch.NO_POD):
                raise
            return provider.launch(request)

    monkeypatch.setattr(launch, "_create_or_adopt", create_again)
    find_trouble("attempt 1 made ['pod-1', 'pod-2']")


def test_a_resume_that_does_not_wait_for_the_old_pod_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("job.run.termination.is_gone", lambda *_: True)
    monkeypatch.setattr(resume, "is_gone", lambda *_: True)
    monkeypatch.setattr("job.run.termination.check_silent", lambda *_: None)
    monkeypatch.setattr("job.run.termination._close", closed_at_once)
    find_trouble("two pods train one run")


def closed_at_once(provider: Any, attempt: Any, outcome: Any) -> Any:
    return outcome


def test_a_supervisor_that_cannot_speak_and_therefore_does_not_act_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("job.pod.supervisor._say", aloud)
    monkeypatch.setattr(self_termination, "tell", aloud)
    find_trouble("crashed: OSError")


def test_a_watchdog_that_cannot_speak_and_therefore_does_not_act_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("job.speech.tell", aloud)
    find_trouble("crashed: OSError")


def aloud(what: str) -> None:
    sys.stderr.write(what)


def test_an_agent_that_does_not_end_its_pod_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_termination, "end", lambda env, attempt: True)
    find_trouble("billed after the deadline, with nobody watching")


def test_a_watchdog_that_is_put_off_by_a_pods_outcome_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was: after an outcome nothing else was judged, and its time was believed."""
    monkeypatch.setattr("job.watch.watchdog._over_limits", lambda *_: None)
    monkeypatch.setattr("job.watch.end_reasons.limits", lambda *_: iter(()))
    lie = [(at, "outcome.json", LIES["outcome.json"][0]) for at in (20.0, 900.0, 1100.0)]
    monkeypatch.setattr("job.run.seen._modified", lambda *_: 1e12)
    story = told(History([SUBMIT, *LATER], Plan(refuses_self=True), hostile=lie))
    assert [trouble for trouble in story.troubles if "billed at the end" in trouble]
