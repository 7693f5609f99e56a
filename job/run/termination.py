"""Ending an attempt from outside: ask the agent, then terminate the pod, then prove that billing is off."""

import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from infra.pods import Pod, Provider, ProviderError
from infra.store import StoreError
from job.errors import CannotTellError
from job.record.attempt import Attempt
from job.record.causes import OUTCOMES, Cause
from job.record.documents import Beat, Outcome, StopRequest
from job.record.no_answer import RECORD_AWAY, REFUSED
from job.record.run import Run
from job.record.store_clock import store_now
from job.record.store_id import check_place, own_pods
from job.run.account import check_account, is_own
from job.run.cost import bills, reckon
from job.run.seen import facts_of
from job.verdict.pace import pace

# What the agent gets to save, upload (180 s at most) and end its pod by itself before somebody outside does it,
AGENT_GRACE_SECONDS = 240.0
# if it gives signs of life. It beats every two seconds, also while it uploads.
SILENT_AGENT_SECONDS = 30.0
# An agent that lives has beaten again after this.
BEAT_AGAIN_SECONDS = 5.0
CONFIRM_SECONDS = 60.0
# Pods are looked for this often, and less often the longer it takes: a quota of calls is for all of an account.
POLL_SECONDS = 0.5
SLOWEST_POLL_SECONDS = 5.0
# Of what a pod itself has printed, the end.
LAST_WORDS_BYTES = 1 << 20

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ended:
    """What ending an attempt came to."""

    outcome: Outcome | None
    billing_off: bool


class NotRecordedError(CannotTellError):
    """An attempt has been ended and bills nothing any more, but its outcome could not be written."""


def pods_of(provider: Provider, attempt: Attempt) -> list[Pod]:
    """What the provider still lists for this attempt."""
    pods = own_pods(attempt.store, provider.find(attempt.run_id))
    return [pod for pod in pods if pod.attempt == attempt.number]


def is_gone(provider: Provider, attempt: Attempt) -> bool:
    """Whether the provider has said twice, far enough apart, that the attempt has no pod.

    Raises ProviderError when the provider gives no answer, or another account's: neither proves anything.
    """
    if not _answers_twice(provider, lambda: not pods_of(provider, attempt)):
        return False
    check_account(provider, attempt.claim(), attempt.run_id)
    return True


def end(
    provider: Provider,
    attempt: Attempt,
    cause: Cause,
    reason: str,
    by: str,
    say: Say,
    agent_grace: float = AGENT_GRACE_SECONDS,
) -> Ended:
    """Ends an attempt and everything it bills, whoever has to do it.

    The agent is asked first, since only it can save and upload. What it has not ended within ``agent_grace`` seconds is
    terminated; an agent without a sign of life gets less. What becomes of the run is written once its pod is gone.

    Raises:
        CannotTellError: the provider lists no pod from the beginning, and yet the agent beats; or the store is a copy.
        StoreError: the store does not answer, so that the agent cannot be asked; nothing has been ended. (One that
            answers and takes no write does not keep the pod alive.)
        NotRecordedError: nothing is billed any more, and the record cannot be reached.
    """
    check_place(attempt.store)
    listed = pods_of(provider, attempt)
    if not listed:
        check_account(provider, attempt.claim(), attempt.run_id)
        check_silent(provider, attempt)
    elif attempt.outcome() is None:
        request = StopRequest(outcome=OUTCOMES[cause], cause=cause, reason=reason, by=by, time=time.time())
        try:
            attempt.write("stop.json", request)
        except REFUSED as error:
            agent_grace = 0.0
            said = f"the agent cannot be asked to save, since the store takes no write: {error}"
        else:
            said = "asked the agent to save and stop"
            with suppress(StoreError):  # the agent knows; whoever reads the record later sees the request itself
                attempt.note("stop requested", by, outcome=request.outcome, cause=cause, reason=reason)
        say(said)
    _give_the_agent_time(provider, attempt, agent_grace)
    living = pods_of(provider, attempt)
    try:  # the money comes before the audit trail, and before all words
        _terminate(provider, [pod.id for pod in living])
    finally:
        for pod in living:
            with suppress(StoreError):
                attempt.note("terminating", by, pod=pod.id)
    for pod in living:
        say(f"pod {pod.id} was still there: it has been terminated")
    _wait_until(lambda: not pods_of(provider, attempt), CONFIRM_SECONDS)
    if not is_gone(provider, attempt):
        return Ended(attempt.outcome(), billing_off=False)
    try:
        return Ended(_close(provider, attempt, Outcome.of(cause, reason, by)), True)
    except RECORD_AWAY as error:
        raise NotRecordedError(f"{attempt.run_id}: billing is off, but that cannot be recorded: {error}") from error


def end_pods(provider: Provider, run_id: str, pod_ids: Collection[str]) -> bool:
    """Terminates pods that have no agent to ask; returns whether the provider has confirmed that they are gone."""
    _terminate(provider, pod_ids)

    def gone() -> bool:
        return not any(pod.id in pod_ids for pod in provider.find(run_id))

    _wait_until(gone, CONFIRM_SECONDS)
    return _answers_twice(provider, gone)


def close_if_lost(provider: Provider, attempt: Attempt, by: str) -> Outcome | None:
    """Writes the outcome of an attempt whose pod is gone without one; None while the attempt goes on."""
    outcome = attempt.outcome()
    if outcome is not None:
        return outcome
    check_place(attempt.store)
    if not is_gone(provider, attempt):
        return None
    check_silent(provider, attempt)
    return _close(provider, attempt, Outcome.of("lost", "the pod vanished without an outcome", by))


def check_silent(provider: Provider, attempt: Attempt) -> None:
    """Makes sure that a pod which the provider does not list has no living agent: it may be another account's pod.

    A beat that changes between two looks is life. How old one is says nothing: it is the pod's clock that wrote it.

    Raises CannotTellError when it has.
    """
    if attempt.outcome() is not None:
        return
    beat = attempt.beat()
    if beat is None:
        _check_started(provider, attempt)
        return
    time.sleep(BEAT_AGAIN_SECONDS)
    if attempt.beat() != beat:
        raise still_beats(attempt)


def _check_started(provider: Provider, attempt: Attempt) -> None:
    """Makes sure that a pod without any beat is not another account's that still starts.

    Raises CannotTellError while it may be: only an account that is known to have launched it can say at once.
    """
    claim = attempt.claim()
    if claim is None or is_own(provider, claim):
        return
    allowed = Run(attempt.store, attempt.run_id).spec().watch.starting
    left = allowed - (store_now(attempt.store) - claim.time)
    if left > 0:
        raise CannotTellError(
            f"{attempt.run_id}: the provider lists no pod of attempt {attempt.number}, which may still be starting for "
            f"{left:.0f} s (watch.starting: {allowed:g} s), in another account: ask with that one, or later"
        )


def still_beats(attempt: Attempt) -> CannotTellError:
    """What to say of a pod that is not listed and not gone."""
    return CannotTellError(
        f"{attempt.run_id}: the provider lists no pod of attempt {attempt.number}, but its agent still beats: "
        "ask with the account (or the $CODECJOB_HOME) that started it"
    )


def _close(provider: Provider, attempt: Attempt, outcome: Outcome) -> Outcome | None:
    """Writes the outcome of an attempt whose pod is gone, unless the pod's own last word is there."""
    if attempt.outcome() is None:
        claim = attempt.claim()
        if claim is not None:
            with suppress(StoreError):  # how it ended is worth more than what it said
                _keep_last_words(provider, attempt, claim.pod_id)
            provider.terminate(claim.pod_id)  # clears away what a pod that died by itself has left
        if attempt.conclude(outcome):
            attempt.note("ended", outcome.by, **_grounds(provider, attempt, outcome))
    return attempt.outcome()


def _grounds(provider: Provider, attempt: Attempt, outcome: Outcome) -> dict[str, Any]:
    """What the attempt ended for, what the provider said, and the money."""
    run, intent = Run(attempt.store, attempt.run_id), attempt.intent()
    attempts = [other for other in run.attempts() if other.number <= attempt.number]
    reckoned = reckon(
        bills(map(facts_of, attempts), billed=False),
        pace(run.rows(attempts)),
        outcome.outcome,
        intent.deadline if intent else None,
        outcome.time,
    )
    return {
        "outcome": outcome.outcome,
        "cause": outcome.cause,
        "reason": outcome.reason,
        "provider": f"{provider.name} listed no pod of the attempt, twice, {provider.settle_seconds:g} s apart",
        "money": reckoned.as_dict(),
    }


def _terminate(provider: Provider, pod_ids: Iterable[str]) -> None:
    """Ends each of them, whatever becomes of the others; then raises the first trouble that there was."""
    troubles = []
    for pod_id in pod_ids:
        try:
            provider.terminate(pod_id)
        except ProviderError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]


def _keep_last_words(provider: Provider, attempt: Attempt, pod_id: str) -> None:
    """What the pod itself printed, where the provider still has it: the agent could not ship it any more."""
    try:
        printed = b""
        for piece in provider.logs(pod_id):
            printed = (printed + piece)[-LAST_WORDS_BYTES:]
    except ProviderError:
        return  # the end of an attempt does not wait for its pod's output
    if printed:
        last = max((sequence for sequence, _ in attempt.segments("log")), default=0)
        attempt.add_segment("log", last + 1, b"--- what the pod itself printed\n" + printed)


def _give_the_agent_time(provider: Provider, attempt: Attempt, seconds: float) -> None:
    began = now = time.monotonic()
    until, heard_at, beat = now + seconds, now, _newest_beat(attempt, None)
    while pods_of(provider, attempt):
        now, newest = time.monotonic(), _newest_beat(attempt, beat)
        if newest != beat:
            beat, heard_at = newest, now
        if now > until or now - heard_at > SILENT_AGENT_SECONDS:
            return
        time.sleep(_pause(began))


def _newest_beat(attempt: Attempt, known: Beat | None) -> Beat | None:
    """Through a store that is away nobody is heard."""
    try:
        return attempt.beat()
    except RECORD_AWAY:
        return known


def _answers_twice(provider: Provider, true: Callable[[], bool]) -> bool:
    if not true():
        return False
    time.sleep(provider.settle_seconds)
    return true()


def _wait_until(done: Callable[[], bool], seconds: float) -> bool:
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > seconds:
            return False
        time.sleep(_pause(began))
    return True


def _pause(began: float) -> float:
    """Before the next look for pods: in proportion to what has been waited, so that nobody waits much longer for it."""
    return min(max(POLL_SECONDS, (time.monotonic() - began) / 4), SLOWEST_POLL_SECONDS)
