"""Why a run, or a pod, has to end: pure functions over what the record and the provider say at one moment."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from infra.pods import Pod, PodState
from job.record.causes import NODE_LOST, STUCK, Cause, stuck_in_words
from job.record.run import Beat, Claim, Intent, Outcome, Progress
from job.run.staleness import budget, overdue
from job.spec.model import JobSpec
from job.verdict.pace import Pace
from job.verdict.signs import State, Verdict

PodKind = Literal["unclaimed", "still billed"]
"""Why one pod has to end, whatever becomes of its attempt."""
Kind = Cause | PodKind
# The agent ends an unclaimed pod after 120 s, and the client of a slow launch may need a little longer.
UNCLAIMED_SECONDS = 300.0
# What the agent gets to do by itself before the watchdog does it: save, upload, end the pod.
AGENT_SECONDS = 180.0
# A run that has lost a node continues by itself so many times, if somebody looks within so long.
MOST_NODES_LOST = 3
GO_ON_SECONDS = 1800.0
# A provider that does not list a pod which was claimed this recently proves nothing.
LAUNCH_SECONDS = 120.0


@dataclass(frozen=True)
class Finding:
    """One reason to end something."""

    kind: Kind
    reason: str
    pods: tuple[str, ...] = ()
    """What to end where it is not the whole attempt."""
    attempt: int = 0

    @property
    def sure_at_once(self) -> bool:
        """Whether one look is enough. What rests on silence, or on an absence, must be found several times."""
        return self.kind in ("bad signs", "deadline", "budget", NODE_LOST)

    def is_same_as(self, other: "Finding") -> bool:
        """Whether two looks have found the same thing, whatever the seconds in their words."""
        return (self.kind, self.attempt, self.pods) == (other.kind, other.attempt, other.pods)


@dataclass(frozen=True)
class AttemptFacts:
    """What the record says of one attempt."""

    number: int
    intent: Intent | None
    claim: Claim | None
    outcome: Outcome | None


@dataclass(frozen=True)
class Sight:
    """A run at one moment. Ages are in seconds by the store's clock, and so is ``now``."""

    now: float
    spec: JobSpec
    attempts: tuple[AttemptFacts, ...]
    pods: tuple[Pod, ...]
    verdict: Verdict
    pace: Pace
    beat: Beat | None
    beat_age: float | None
    progress: Progress | None
    broke_at: float | None
    """When the run will have spent its max_cost."""

    @property
    def newest(self) -> AttemptFacts:
        """The attempt that goes on, or was the last to."""
        return self.attempts[-1]

    @property
    def own_pods(self) -> list[Pod]:
        """The newest attempt's listed pods."""
        return [pod for pod in self.pods if pod.attempt == self.newest.number]

    @property
    def loop_age(self) -> float | None:
        """The age of the training loop's beat. It and the agent's beat are by the same clock, the pod's."""
        if self.beat is None or self.beat_age is None or self.progress is None:
            return None
        return self.beat_age + max(self.beat.time - self.progress.time, 0.0)

    def inputs(self) -> dict[str, Any]:
        """What a decision was made by, for the audit trail."""
        return {
            "store_time": self.now,
            "verdict": self.verdict.as_dict(),
            "pods": [{"id": pod.id, "state": pod.state, "created": pod.created} for pod in self.pods],
            "agent": self.beat.model_dump() if self.beat else None,
            "agent_age": self.beat_age,
            "progress": self.progress.model_dump() if self.progress else None,
            "progress_age": self.loop_age,
            "deadline": self.newest.intent.deadline if self.newest.intent else None,
            "max_cost_spent_at": self.broke_at,
        }


def judge(sight: Sight, kinds: Collection[Kind] | None = None) -> Finding | None:
    """The first reason to act on, in the order of certainty, of the ``kinds`` asked for; None where there is none."""
    return next((finding for finding in _findings(sight) if kinds is None or finding.kind in kinds), None)


def about_pod(pod: Pod, facts: AttemptFacts, now: float) -> Finding | None:
    """Why one listed pod has to end, whatever becomes of its attempt: nothing owns it, and its time to end is over."""
    if facts.outcome is not None:
        ended = now - facts.outcome.time
        if pod.ends_itself and ended <= AGENT_SECONDS:
            return None
        said = f"pod {pod.id} is still billed {ended:.0f} s after the attempt has {facts.outcome.outcome}"
        return Finding("still billed", said, pods=(pod.id,), attempt=facts.number)
    if facts.claim is not None and pod.id == facts.claim.pod_id:
        return None
    age = None if pod.created is None else now - pod.created
    if age is None or age <= UNCLAIMED_SECONDS:
        return None
    said = "no claim names it" if facts.claim is None else f"the claim names pod {facts.claim.pod_id}"
    return Finding("unclaimed", f"pod {pod.id} is {age:.0f} s old and {said}", pods=(pod.id,), attempt=facts.number)


def _findings(sight: Sight) -> Iterator[Finding]:
    newest, verdict = sight.newest, sight.verdict
    if verdict.verdict is State.BAD:
        yield Finding("bad signs", verdict.summary, attempt=newest.number)
    for facts in sight.attempts:
        for pod in sight.pods:
            if pod.attempt == facts.number:
                finding = about_pod(pod, facts, sight.now)
                if finding is not None:
                    yield finding
    if newest.outcome is not None:
        if not sight.pods and goes_on(sight.attempts, sight.now):
            yield Finding(NODE_LOST, newest.outcome.reason, attempt=newest.number)
        return
    if sight.own_pods:
        yield from _limits(sight)
        yield from _stuck(sight)
        yield from _silence(sight)
    elif newest.claim and (sight.beat or sight.now - newest.claim.time > LAUNCH_SECONDS):
        yield Finding("lost", "the pod vanished without an outcome", attempt=newest.number)


def goes_on(attempts: Sequence[AttemptFacts], now: float) -> bool:
    """Whether a run is to be resumed without anybody's asking: its newest attempt has just lost a node."""
    outcomes = [facts.outcome for facts in attempts]
    if not outcomes or outcomes[-1] is None or now - outcomes[-1].time > GO_ON_SECONDS:
        return False
    lost = [outcome is not None and outcome.cause == NODE_LOST for outcome in outcomes]
    return lost[-1] and sum(lost) <= MOST_NODES_LOST


def _limits(sight: Sight) -> Iterator[Finding]:
    newest, now = sight.newest, sight.now
    if newest.intent and now > newest.intent.deadline + AGENT_SECONDS:
        said = f"max_hours ({sight.spec.max_hours:g}) is over since {now - newest.intent.deadline:.0f} s"
        yield Finding("deadline", said, attempt=newest.number)
    if sight.broke_at is not None and now > sight.broke_at:
        said = f"max_cost ({sight.spec.max_cost:g} USD) is spent"
        yield Finding("budget", said, attempt=newest.number)


def stuck_for(pod: Pod, facts: AttemptFacts, now: float) -> float | None:
    """Seconds since the claim of a pod whose container has not begun to run; None where it has, or nobody can say."""
    if facts.claim is None or facts.outcome is not None or pod.id != facts.claim.pod_id:
        return None
    if pod.uptime != 0 or pod.state is PodState.EXITED:
        return None
    return now - facts.claim.time


def _stuck(sight: Sight) -> Iterator[Finding]:
    if sight.beat is not None:
        return
    for pod in sight.own_pods:
        waited = stuck_for(pod, sight.newest, sight.now)
        if waited is not None and waited > sight.spec.watch.stuck:
            yield Finding(STUCK, stuck_in_words(pod, waited), attempt=sight.newest.number)


def _silence(sight: Sight) -> Iterator[Finding]:
    newest, watch = sight.newest, sight.spec.watch
    if newest.claim is None:
        return
    if sight.beat is None or sight.beat_age is None:
        waited = sight.now - newest.claim.time
        if waited > watch.starting:
            said = f"the agent has never reported in {waited:.0f} s (allowed: {watch.starting:g} s)"
            yield Finding("agent silent", said, attempt=newest.number)
        return
    if sight.beat_age > watch.agent:
        said = f"the agent is silent for {sight.beat_age:.0f} s while {sight.beat.state} (allowed: {watch.agent:g} s)"
        yield Finding("agent silent", said, attempt=newest.number)
        return
    if sight.beat.state != "training":
        return
    if sight.progress is not None and sight.loop_age is not None:
        allowed = budget(watch, sight.progress.phase)
        if sight.loop_age > allowed + AGENT_SECONDS:
            said = (
                f"the training loop hung: no beat for {sight.loop_age:.0f} s while {sight.progress.phase} "
                f"(allowed: {allowed:g} s), and the agent has not ended it"
            )
            yield Finding("loop silent", said, attempt=newest.number)
    if late := overdue(sight.pace, watch):
        yield Finding("overdue", late, attempt=newest.number)
