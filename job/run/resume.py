"""Resuming a run: a new attempt from the newest complete checkpoint, once the old pod is known to be gone."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from infra.pods import Pod, Provider
from job.errors import UsageError
from job.record import store_id
from job.record.attempt import Attempt
from job.record.causes import STUCK, stuck_in_words
from job.record.run import Run
from job.record.store_clock import check_clock
from job.run.cost import bills, spent
from job.run.launch import CLIENT, NO_POD, start_attempt
from job.run.offers import Choice, look_for, still_good
from job.run.seen import facts_of
from job.run.store_access import for_attempt
from job.run.termination import Say, close_if_lost, end, is_gone

# How often a run may change its machine because a pod never began to run.
MOST_REPLACEMENTS = 3


Agree = Callable[[Choice, float | None], object]


def resume(
    run: Run,
    provider: Provider,
    override: str | None = None,
    say: Say = lambda said: None,
    agree: Agree = lambda choice, spent: None,
) -> Pod:
    """Starts the next attempt. ``say`` hears what the user should know of the credentials that its pod gets.

    ``agree`` hears what the provider has, and what the run has cost (USD, None without a pod), before the attempt is
    begun; what it raises leaves the run as it is.

    A run that was aborted goes on only for a reason, ``override``, which is kept in the audit trail. The checklist
    judges it anew: what older attempts wrote after the restored checkpoint does not count any more.

    Raises:
        UsageError: the run goes on, has finished, was aborted and there is no reason to override that, has spent its
            max_cost, or its old pod is still listed.
    """
    check_clock(run.store)
    store_id.settle(run.store)
    resumable = check_resumable(run, provider, override)
    spec, places = run.spec(), stuck_places(run.attempts())
    choice = look_for(provider, spec, places)
    agree(choice, resumable.spent)
    choice = still_good(choice, provider, spec, places)
    access = for_attempt(spec, run.store.url, run.run_id, run.submission().dataset, resumable.next)
    for warning in access.warnings:
        say(f"warning: {warning}")
    if override is not None:
        run.attempt(resumable.next).note("override", CLIENT, reason=override, aborted_for=resumable.reason)
    return start_attempt(run, provider, resumable.next, choice, access, say)


@dataclass(frozen=True)
class Resumable:
    """A run that may go on."""

    next: int
    """The number of its next attempt."""
    spent: float | None = None
    """USD so far; None before there was a pod."""
    reason: str | None = None
    """Why its last attempt ended."""


def check_resumable(run: Run, provider: Provider, override: str | None = None) -> Resumable:
    """Makes sure that nothing of the run goes on and that it may; an attempt that was lost gets its outcome.

    Raises as `resume` does.
    """
    attempts = run.attempts()
    if not attempts:
        return Resumable(1)
    newest, named = attempts[-1], run.run_id
    outcome = close_if_lost(provider, newest, CLIENT)
    if outcome is None:
        raise UsageError(f"{named} is still running: `codecjob stop {named}` ends it")
    if outcome.outcome == "succeeded":
        raise UsageError(f"{named} has finished: `codecjob pull {named} DIR` fetches what it made")
    if outcome.outcome == "aborted" and override is None:
        raise UsageError(
            f"{named} was aborted: {outcome.reason}; change the spec and submit again, "
            'or continue it all the same with --override "the reason"'
        )
    if outcome.outcome != "aborted" and override is not None:
        raise UsageError(f"{named} was not aborted ({outcome.outcome}): `codecjob resume {named}` will do")
    cost, most = spent(bills(map(facts_of, attempts), billed=False), time.time()), run.spec().max_cost
    if most is not None and (cost or 0.0) >= most:
        raise UsageError(
            f"{named} has spent its max_cost ({most:g} USD): submit it again with more, such as "
            f"`codecjob submit SPEC --set max_cost={2 * most:g}`"
        )
    if not is_gone(provider, newest):
        raise UsageError(f"{named}: its last pod is still listed: `codecjob stop {named}` ends it")
    return Resumable(newest.number + 1, cost, outcome.reason)


def replace_stuck(run: Run, provider: Provider, attempt: Attempt, pod: Pod, waited: float, by: str, say: Say) -> bool:
    """Ends an attempt whose pod never began to run, and starts the next one elsewhere; True once that has a pod.

    Raises:
        UsageError: too many attempts of the run were stuck, its money is spent, no other machine can be had, or
            somebody else does the same. Nothing of the attempt is billed then.
        ProviderError, StoreError, CannotTellError: no clear answer.
    """
    reason = stuck_in_words(pod, waited)
    unwanted = attempt.stop_request()
    attempt.note(STUCK, by, pod=pod.id, data_center=pod.data_center, pool=pod.pool, waited=waited)
    ended = end(provider, attempt, STUCK, reason, by, say, agent_grace=0.0)
    if not ended.billing_off:
        return False
    if unwanted or ended.outcome is None or ended.outcome.reason != reason:
        raise UsageError(f"{run.run_id} has ended otherwise meanwhile: `codecjob status {run.run_id}` shows how")
    if sum(is_stuck(other) for other in run.attempts()) > MOST_REPLACEMENTS:
        raise UsageError(
            f"{run.run_id}: {MOST_REPLACEMENTS + 1} machines never began to run; later: `codecjob resume {run.run_id}`"
        )
    say(f"{reason}: taking another machine")
    try:
        resume(run, provider)
    except NO_POD as error:
        raise UsageError(
            f"{run.run_id}: its pod is ended, and no other can be had: {error}; later: `codecjob resume {run.run_id}`"
        ) from error
    return True


def go_on(run: Run, provider: Provider, say: Say) -> None:
    """Starts the next attempt of a run that has lost a node.

    Raises:
        UsageError: somebody wants it ended, its money is spent, or somebody else does the same.
        ProviderError, StoreError, CannotTellError: no clear answer.
    """
    attempt = run.attempts()[-1]
    if attempt.stop_request() is not None:
        raise UsageError(f"{run.run_id} was asked to end: `codecjob resume {run.run_id}` continues it all the same")
    outcome = attempt.outcome()
    say(f"{outcome.reason if outcome else ''}: going on from the newest checkpoint")
    resume(run, provider)


def is_stuck(attempt: Attempt) -> bool:
    """Whether an attempt ended because its pod never began to run."""
    outcome = attempt.outcome()
    return outcome is not None and outcome.cause == STUCK


def stuck_places(attempts: Iterable[Attempt]) -> frozenset[str]:
    """Where a pod of these attempts never began to run: data centers, and pools of machines that are in none."""
    events = [event for attempt in attempts if is_stuck(attempt) for event in attempt.events()]
    places = [event.get("data_center") or event.get("pool") for event in events if event["what"] == STUCK]
    return frozenset(str(place) for place in places if place)
