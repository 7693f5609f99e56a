"""Why a run, or a pod, has to end: pure functions over what the record and the provider say at one moment."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from infra.pods import Pod, PodState
from job.record.causes import NODE_LOST, STUCK, Cause, stuck_in_words
from job.run.cost import broke_at
from job.run.seen import AttemptFacts, Seen
from job.run.staleness import budget, overdue
from job.verdict.signs import State

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


def inputs(seen: Seen) -> dict[str, Any]:
    """What a decision was made by, for the audit trail."""
    return {
        "store_time": seen.now,
        "verdict": seen.judged.verdict.as_dict(),
        "pods": pods_as_dicts(seen.pods),
        "agent": seen.beat.model_dump() if seen.beat else None,
        "agent_age": seen.beat_age,
        "progress": seen.progress.model_dump() if seen.progress else None,
        "progress_age": seen.loop_age,
        "deadline": seen.newest.intent.deadline if seen.newest.intent else None,
        "max_cost_spent_at": broke_at(seen.attempts, seen.spec.max_cost),
    }


def pods_as_dicts(pods: Iterable[Pod]) -> list[dict[str, Any]]:
    """JSON-ready."""
    return [{"id": pod.id, "state": pod.state, "created": pod.created} for pod in pods]


def judge(seen: Seen, kinds: Collection[Kind] | None = None) -> Finding | None:
    """The first reason to act on, in the order of certainty, of the ``kinds`` asked for; None where there is none."""
    return next((finding for finding in _findings(seen) if kinds is None or finding.kind in kinds), None)


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


def _findings(seen: Seen) -> Iterator[Finding]:
    newest, verdict = seen.newest, seen.judged.verdict
    yield from limits(seen.attempts, seen.pods, seen.spec.max_cost, seen.now)
    if verdict.verdict is State.BAD:
        yield Finding("bad signs", verdict.summary, attempt=newest.number)
    for facts in seen.attempts:
        for pod in seen.pods:
            if pod.attempt == facts.number:
                finding = about_pod(pod, facts, seen.now)
                if finding is not None:
                    yield finding
    if newest.outcome is not None:
        if not seen.pods and goes_on(seen.attempts, seen.now):
            yield Finding(NODE_LOST, newest.outcome.reason, attempt=newest.number)
        return
    if seen.own_pods:
        yield from _stuck(seen)
        yield from _silence(seen)
    elif newest.claim and (seen.beat or seen.now - newest.claim.time > _unlisted(seen)):
        yield Finding("lost", "the pod vanished without an outcome", attempt=newest.number)


def _unlisted(seen: Seen) -> float:
    """For how long a pod that has not beaten yet may be unlisted and live: who may be another account waits longer."""
    return LAUNCH_SECONDS if seen.own_account else max(LAUNCH_SECONDS, seen.spec.watch.starting)


def goes_on(attempts: Sequence[AttemptFacts], now: float) -> bool:
    """Whether a run is to be resumed without anybody's asking: its newest attempt has just lost a node."""
    outcomes = [facts.outcome for facts in attempts]
    if not outcomes or outcomes[-1] is None or now - outcomes[-1].time > GO_ON_SECONDS:
        return False
    lost = [outcome is not None and outcome.cause == NODE_LOST for outcome in outcomes]
    return lost[-1] and sum(lost) <= MOST_NODES_LOST


def limits(
    attempts: Sequence[AttemptFacts], pods: Iterable[Pod], max_cost: float | None, now: float
) -> Iterator[Finding]:
    """Deadline and budget, for whatever is still listed, also after an outcome: a pod itself may have written that.

    They rest on what no pod can write: the orders, the spec, the provider's list and the time ``now``.
    """
    listed = list(pods)
    broke = broke_at(attempts, max_cost)
    for facts in attempts:
        own = tuple(pod.id for pod in listed if pod.attempt == facts.number)
        if not own:
            continue
        newest = facts is attempts[-1]
        # There is nobody to ask any more, and nothing to write, where the attempt has had its end.
        only = own if facts.outcome is not None or not newest else ()
        if facts.intent and now > facts.intent.deadline + AGENT_SECONDS:
            hours = (facts.intent.deadline - facts.intent.time) / 3600
            said = f"max_hours ({hours:.3g}) is over since {now - facts.intent.deadline:.0f} s"
            yield Finding("deadline", said, pods=only, attempt=facts.number)
        late = 0.0 if facts.outcome is None else AGENT_SECONDS
        if newest and broke is not None and now > broke + late:
            yield Finding("budget", f"max_cost ({max_cost:g} USD) is spent", pods=only, attempt=facts.number)


def stuck_for(pod: Pod, facts: AttemptFacts, now: float) -> float | None:
    """Seconds since the claim of a pod whose container has not begun to run; None where it has, or nobody can say."""
    if facts.claim is None or facts.outcome is not None or pod.id != facts.claim.pod_id:
        return None
    if pod.uptime != 0 or pod.state is PodState.EXITED:
        return None
    return now - facts.claim.time


def _stuck(seen: Seen) -> Iterator[Finding]:
    if seen.beat is not None:
        return
    for pod in seen.own_pods:
        waited = stuck_for(pod, seen.newest, seen.now)
        if waited is not None and waited > seen.spec.watch.stuck:
            yield Finding(STUCK, stuck_in_words(pod, waited), attempt=seen.newest.number)


def _silence(seen: Seen) -> Iterator[Finding]:
    newest, watch = seen.newest, seen.spec.watch
    if newest.claim is None:
        return
    if seen.beat is None or seen.beat_age is None:
        waited = seen.now - newest.claim.time
        if waited > watch.starting:
            said = f"the agent has never reported in {waited:.0f} s (allowed: {watch.starting:g} s)"
            yield Finding("agent silent", said, attempt=newest.number)
        return
    if seen.beat_age > watch.agent:
        said = f"the agent is silent for {seen.beat_age:.0f} s while {seen.beat.state} (allowed: {watch.agent:g} s)"
        yield Finding("agent silent", said, attempt=newest.number)
        return
    if seen.beat.state != "training":
        return
    if seen.progress is not None and seen.loop_age is not None:
        allowed = budget(watch, seen.progress.phase)
        if seen.loop_age > allowed + AGENT_SECONDS:
            said = (
                f"the training loop hung: no beat for {seen.loop_age:.0f} s while {seen.progress.phase} "
                f"(allowed: {allowed:g} s), and the agent has not ended it"
            )
            yield Finding("loop silent", said, attempt=newest.number)
    if late := overdue(seen.judged.pace, watch):
        yield Finding("overdue", late, attempt=newest.number)
