"""The watchdog outside the pod: the same verdict as the agent's, and what the agent cannot see: that it is dead itself.

It needs the store and the provider, and keeps nothing anywhere else, so it may run once from cron on any machine. It
ends a pod only when it is sure. An error of the store or of the provider means "cannot tell", never a kill.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

from infra.pods import Pod, Provider, ProviderError, paid_providers
from infra.store import Store, StoreError
from job.errors import CannotTellError, UsageError
from job.record.attempt import Attempt
from job.record.causes import NODE_LOST, STUCK, Cause
from job.record.find import list_runs
from job.record.no_answer import NO_ANSWER, REFUSED
from job.record.run import Run
from job.record.store_id import check_place, own_pods
from job.run.resume import go_on, replace_stuck
from job.run.seen import Finds, Listed, Seen, facts_of, on_clock, see
from job.run.staleness import LOOKS
from job.run.state import RunState
from job.run.termination import AGENT_GRACE_SECONDS, Say, close_if_lost, end, end_pods, still_beats
from job.verdict.signs import State, Verdict
from job.watch import reconcile
from job.watch.end_reasons import AGENT_SECONDS, Finding, Kind, goes_on, inputs, judge, limits, pods_as_dicts, stuck_for
from job.watch.heartbeat import Clock, StoreClock, usable
from job.watch.run_list import Listing

WATCHDOG = "watchdog"
LOOK_SECONDS = 5.0
"""At most, between two of the looks that must all find the same."""
SURE: tuple[Kind, ...] = ("deadline", "budget", "bad signs")
"""What one look is enough for, whatever the age of a beat."""
AT_ONCE = 64
"""Runs that are looked after side by side. To end one with a dead pod takes half a minute, nearly all of it waiting."""

Result = Literal["good", "undecided", "bad", "stopped", "not confirmed", "cannot tell"]


@dataclass(frozen=True)
class Report:
    """What the watchdog found of one run, or of one pod without a run, and what came of it."""

    run_id: str
    result: Result
    said: str
    verdict: Verdict | None = None
    finding: Finding | None = None
    ended: bool = False
    """Whether nothing of it goes on: there is an outcome, and the provider lists no pod."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: the verdict's own fields, and the watchdog's beside them."""
        verdict = self.verdict.as_dict() if self.verdict else {"verdict": None, "signs": [], "summary": self.said}
        return {
            "run": self.run_id,
            **verdict,
            "result": self.result,
            "finding": self.finding.kind if self.finding else None,
            "reason": self.said,
        }


def look_after(
    run: Run, provider: Provider, clock: Clock, act: bool, say: Say, kinds: Collection[Kind] | None = None
) -> Report:
    """Judges one run and, with ``act``, ends what has to end. Raises nothing for want of an answer: it reports that.

    ``kinds`` are the only ones to act on; None is all.
    """
    try:
        if not run.attempts():
            return Report(run.run_id, "undecided", "submitted, never started: nothing is billed", ended=True)
        if act:
            check_place(run.store)
        clock, refused = usable(clock)
        listed = Listed(own_pods(run.store, provider.find(run.run_id)), provider)
        over = _over_limits(run, listed.pods, clock(), kinds)
        if over is not None and act:
            return _end_over(run, provider, listed.pods, clock(), over, say)
        return _look_on(run, provider, clock, act, say, kinds, listed, refused)
    except (*NO_ANSWER, UsageError) as error:
        return Report(run.run_id, "cannot tell", f"cannot tell: {error}")


def _look_on(
    run: Run,
    provider: Provider,
    clock: Clock,
    act: bool,
    say: Say,
    kinds: Collection[Kind] | None,
    listed: Listed,
    refused: StoreError | None,
) -> Report:
    """What the whole record says of a run within its limits. Raises where there is no answer.

    Where the store has ``refused`` a write the ages of beats are not known well enough to end anything by them.
    """
    if refused is not None:
        kinds = [kind for kind in SURE if kinds is None or kind in kinds]
    seen, finding = _look_surely(run, provider, clock, kinds, listed)
    ended = seen.newest.outcome is not None and not seen.pods
    if finding is None and refused is not None and not ended:
        said = f"only deadline, budget and bad signs can be judged, since the store takes no write: {refused}"
        return Report(run.run_id, "cannot tell", said, seen.judged.verdict)
    if finding is None:
        result: Result = "good" if seen.judged.verdict.verdict is State.GOOD else "undecided"
        return Report(run.run_id, result, seen.judged.verdict.summary, seen.judged.verdict, ended=ended)
    if not act:
        return Report(run.run_id, "bad", finding.reason, seen.judged.verdict, finding, ended)
    return _end(run, provider, seen, finding, say)


def look_after_all(
    store: Store, clock: Clock, act: bool, say: Say, ended: dict[str, str] | None = None
) -> list[Report]:
    """Judges every run that has not ended, and every pod whose run this store should know and does not.

    Runs are looked after side by side: each may take minutes to end, and all are billed meanwhile. ``ended`` is the
    caller's memory between looks, run -> provider: those runs are not read again unless a pod of theirs is listed.

    Raises StoreError when the store cannot even say which runs there are.
    """
    ended = {} if ended is None else ended
    # Those that cost money are asked also where no run names them: for their orphans, and since a watchdog that has no
    # key for one watches nothing there.
    listings = {name: Listing(name) for name in paid_providers()}
    if isinstance(clock, StoreClock):
        clock.sees = [name for name, listing in listings.items() if listing.trouble() is None]
    now_by, refused = usable(clock)  # the beat: somebody watches
    now = now_by()
    told: dict[str, str] = {}

    def judged(run_id: str) -> list[Report]:
        run, found = Run(store, run_id), []
        try:
            name = ended.get(run_id) or _provider_of(run, listings)
            listing = listings.setdefault(name, Listing(name))
            provider = listing.provider()
            if (trouble := listing.trouble()) and told.setdefault(name, run_id) == run_id:
                found.append(Report(f"provider {name}", "cannot tell", f"cannot tell: {trouble}"))
            if run_id in ended and trouble is None and not listing.find(run_id):
                return found
            if not _has_ended(run, listing, now):
                ended.pop(run_id, None)
                found.append(look_after(run, provider, clock, act, say))
            elif run.attempts():
                ended[run_id] = name
        except (*NO_ANSWER, UsageError) as error:
            found.append(Report(run_id, "cannot tell", f"cannot tell: {error}"))
        except Exception as error:  # noqa: BLE001 - one record that nobody foresaw must not leave the others unwatched
            found.append(Report(run_id, "cannot tell", f"cannot tell, by a defect of codecjob: {error!r}"))
        return found

    reports: list[Report] = []
    if refused is not None:
        reports.append(Report("store", "cannot tell", f"the store takes no write: {refused}"))
    reports += [report for found in _side_by_side(judged, list_runs(store)) for report in found]
    for listing in listings.values():
        if listing.trouble() is None and refused is None:
            reports += _orphans(store, listing.provider(), listing.find(None), clock, act)
    return reports


def _provider_of(run: Run, listings: Mapping[str, Listing]) -> str:
    """Name of the provider to ask; of a run whose spec is lost or newer, the first that lists a pod of it."""
    try:
        return run.spec().provider
    except (CannotTellError, UsageError):
        for name, listing in list(listings.items()):  # others add to them meanwhile
            if listing.trouble() is None and listing.find(run.run_id):
                return name
        raise


def _side_by_side(judged: Callable[[str], list[Report]], runs: Sequence[str]) -> Iterable[list[Report]]:
    if len(runs) < 2:
        return [judged(run_id) for run_id in runs]
    pool = ThreadPoolExecutor(min(AT_ONCE, len(runs)), thread_name_prefix="watch")
    try:
        return list(pool.map(judged, runs))
    finally:
        # After a Ctrl-C those that wait are not begun; what is being ended is ended.
        pool.shutdown(cancel_futures=True)


def observe(run: Run, provider: Finds, clock: Clock) -> Seen:
    """Everything that is known of a run now. Raises when the store or the provider gives no answer."""
    seen = see(run, provider, store_clock=clock)
    if seen.trouble is not None:
        raise seen.trouble
    return seen


def end_when_late(state: RunState, provider: Provider, now: float, say: Say) -> None:
    """Ends what lives of an attempt past its deadline while the record cannot be asked: a cluster cannot end itself.

    ``state`` is the last that was seen of the run; ``now`` is by the clock of the store, as far as it is known.
    """
    if state.deadline is None or now < state.deadline + AGENT_SECONDS:
        return
    try:
        pods = [pod.id for pod in provider.find(state.run_id) if pod.attempt == state.attempt]
        if pods:
            end_pods(provider, state.run_id, pods)
            say(f"max_hours is over: terminated {', '.join(pods)}")
    except ProviderError as error:
        say(str(error))  # the next round tries again


def _over_limits(run: Run, pods: list[Pod], now: float, kinds: Collection[Kind] | None) -> Finding | None:
    """Deadline or budget that is over, before anything is read that a pod may have written, but its outcome."""
    if not pods:
        return None
    found = limits([facts_of(attempt) for attempt in run.attempts()], pods, _max_cost(run), now)
    return next((finding for finding in found if kinds is None or finding.kind in kinds), None)


def _max_cost(run: Run) -> float | None:
    """Of a spec that is lost, or of a newer version, what can be read."""
    try:
        return run.spec().max_cost
    except (CannotTellError, UsageError):
        return run.max_cost_as_written()


def _end_over(run: Run, provider: Provider, pods: list[Pod], now: float, finding: Finding, say: Say) -> Report:
    """Ends what is past its deadline or its budget; what else the record says is read afterwards."""
    attempt, verdict = run.attempt(finding.attempt), None
    try:
        known = {"store_time": now, "pods": pods_as_dicts(pods)}
        _note(attempt, "decided", finding=finding.kind, reason=finding.reason, inputs=known)
        confirmed = _end_attempt_or_pods(run, provider, finding, say)
        with suppress(*NO_ANSWER, UsageError):
            verdict = see(run, Listed(pods)).judged.verdict
    except NO_ANSWER as error:
        return _unconfirmed(run, finding, verdict, error)
    return _confirmed(run, finding, verdict, confirmed)


def _confirmed(run: Run, finding: Finding, verdict: Verdict | None, confirmed: bool) -> Report:
    result: Result = "stopped" if confirmed else "not confirmed"
    return Report(run.run_id, result, finding.reason, verdict, finding, ended=confirmed)


def _unconfirmed(run: Run, finding: Finding, verdict: Verdict | None, error: Exception) -> Report:
    said = f"{finding.reason}; the stop is not confirmed: {error}"
    return Report(run.run_id, "not confirmed", said, verdict, finding)


def _end_attempt_or_pods(run: Run, provider: Provider, finding: Finding, say: Say) -> bool:
    """Whether the provider has confirmed that nothing of it is billed any more."""
    attempt = run.attempt(finding.attempt)
    if finding.pods:
        confirmed = end_pods(provider, run.run_id, finding.pods)
        say(f"terminated {', '.join(finding.pods)}")
    else:
        grace = 0.0 if finding.kind == "agent silent" else AGENT_GRACE_SECONDS
        cause = cast(Cause, finding.kind)
        confirmed = end(provider, attempt, cause, finding.reason, WATCHDOG, say, grace).billing_off
    _note(attempt, "billing off" if confirmed else "still billed", finding=finding.kind)
    return confirmed


def _note(attempt: Attempt, what: str, **details: Any) -> None:
    """For the audit trail, which is not worth a pod: a store without room keeps none alive."""
    with suppress(*REFUSED):
        attempt.note(what, WATCHDOG, **details)


def _look_surely(
    run: Run, provider: Provider, clock: Clock, kinds: Collection[Kind] | None, listed: Listed
) -> tuple[Seen, Finding | None]:
    """Looks as often as it takes to be sure: what is not the same at every look is not found at all."""
    seen = observe(run, listed, clock)
    finding = judge(seen, kinds)
    if finding is None or finding.sure_at_once:
        return seen, finding
    for _ in range(LOOKS - 1):
        time.sleep(min(LOOK_SECONDS, seen.spec.watch.agent / 30))
        before, seen = seen, observe(run, provider, clock)
        again = judge(seen, kinds)
        if finding.kind == "lost" and seen.beat != before.beat:
            raise still_beats(run.attempt(finding.attempt))
        if again is None or not again.is_same_as(finding) or seen.beat != before.beat:
            return seen, None
        finding = again
    return seen, finding


def _end(run: Run, provider: Provider, seen: Seen, finding: Finding, say: Say) -> Report:
    try:
        confirmed = _act(run, provider, seen, finding, say)
        replaced = finding.kind in (STUCK, NODE_LOST) and confirmed and run.attempts()[-1].number > finding.attempt
    except NO_ANSWER as error:
        if finding.kind != NODE_LOST:
            return _unconfirmed(run, finding, seen.judged.verdict, error)
        said = f"{finding.reason}; not resumed: {error}"  # its pod is gone already; the next look tries again
        return Report(run.run_id, "cannot tell", said, seen.judged.verdict, finding)
    if replaced:
        said = f"{finding.reason}: {'another machine was taken' if finding.kind == STUCK else 'resumed'}"
        return Report(run.run_id, "undecided", said, seen.judged.verdict, finding)
    return _confirmed(run, finding, seen.judged.verdict, confirmed)


def _act(run: Run, provider: Provider, seen: Seen, finding: Finding, say: Say) -> bool:
    """Ends what was found; returns whether the provider has confirmed that nothing of it is billed any more."""
    attempt = run.attempt(finding.attempt)
    already_over = seen.newest.outcome is not None and not seen.pods
    if not already_over:
        _note(attempt, "decided", finding=finding.kind, reason=finding.reason, inputs=inputs(seen))
    if finding.kind == "lost":
        return close_if_lost(provider, attempt, WATCHDOG) is not None
    if finding.kind == NODE_LOST:
        return _go_on(run, provider, say)
    if finding.kind == STUCK:
        return _replace(run, provider, seen, say)
    if already_over:  # bad signs of a run that is over: there is nothing to end but what the provider may yet list
        ended = end(provider, attempt, cast(Cause, finding.kind), finding.reason, WATCHDOG, say)
        return ended.billing_off
    return _end_attempt_or_pods(run, provider, finding, say)


def _replace(run: Run, provider: Provider, seen: Seen, say: Say) -> bool:
    """Takes another machine for one that never began to run; False where the old one is still billed."""
    (pod,) = [pod for pod in seen.own_pods if seen.newest.claim and pod.id == seen.newest.claim.pod_id]
    waited = stuck_for(pod, seen.newest, seen.now) or 0.0
    try:
        return replace_stuck(run, provider, run.attempt(seen.newest.number), pod, waited, WATCHDOG, say)
    except UsageError as error:  # the old one is gone; no other is taken
        say(str(error))
        return True


def _go_on(run: Run, provider: Provider, say: Say) -> bool:
    """Resumes a run that has lost a node; its pod is gone."""
    try:
        go_on(run, provider, say)
    except UsageError as error:
        say(str(error))
    return True


def _has_ended(run: Run, listing: Listing, now: float) -> bool:
    """Whether a run has its outcome, no pod, and is not to go on; one that was never started bills nothing, either."""
    if listing.trouble() is None and listing.find(run.run_id):
        return False
    attempts = run.attempts()
    if not attempts:
        return True
    outcome = attempts[-1].outcome()
    if outcome is None or outcome.cause != NODE_LOST:
        return outcome is not None
    return not goes_on([facts_of(attempt) for attempt in attempts], now)


def _orphans(store: Store, provider: Provider, pods: Iterable[Pod], clock: Clock, act: bool) -> list[Report]:
    """Pods that were started for a run of this store which the store does not know. Those of known runs are theirs."""
    try:
        if act:
            check_place(store)
        now = clock()
        suspects = [
            entry
            for entry in reconcile.survey_pods(store, provider, on_clock(pods, now), now)
            if entry.kind is reconcile.Kind.ORPHANED and entry.unknown_run
        ]
    except NO_ANSWER:
        return []
    return [
        _end_orphan(store, provider, entry, act) for entry in reconcile.still_orphaned(store, provider, suspects, clock)
    ]


def _end_orphan(store: Store, provider: Provider, entry: reconcile.Entry, act: bool) -> Report:
    said = f"pod {entry.pod_id} {entry.reason}"
    finding = Finding("unclaimed", said, pods=(entry.pod_id,))
    if not act:
        return Report(entry.run_id, "bad", said, finding=finding)
    try:
        confirmed = reconcile.end_orphan(store, provider, entry, WATCHDOG)
    except NO_ANSWER as error:
        return Report(entry.run_id, "not confirmed", f"{said}; the stop is not confirmed: {error}", finding=finding)
    return Report(entry.run_id, "stopped" if confirmed else "not confirmed", said, finding=finding)
