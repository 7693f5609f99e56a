"""What a provider bills against what the records say.

Every pod that the provider lists, and every run that should have one, is of one kind:

    tracked    the record owns it, or it is so young that its client or its agent may still be at work
    adopted    a launch made it and its client died before the claim: the claim is written now, and the agent begins
    orphaned   billed, and no record owns it: its run is unknown or over, or another pod has the claim
    vanished   the record owns a pod that the provider does not list, twice: its outcome is written now
    foreign    of another store; never touched
"""

import json
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from infra.pods import Pod, Provider
from infra.store import Store
from job.errors import CannotTellError, UsageError
from job.record.documents import Claim
from job.record.find import list_runs
from job.record.no_answer import NO_ANSWER
from job.record.run import Run
from job.record.store_id import check_place, marks_of
from job.run.account import account_if_told
from job.run.seen import AttemptFacts, facts_of, on_clock
from job.run.termination import close_if_lost, end_pods
from job.watch.end_reasons import LAUNCH_SECONDS, UNCLAIMED_SECONDS, about_pod
from job.watch.heartbeat import Clock

# What no record owns is looked at this often, this far apart, before it is ended.
LOOKS = 3
PAUSE_SECONDS = 5.0
# What the client that launches a pod gets to write the claim itself.
CLIENT_SECONDS = 30.0
Result = Literal["good", "bad", "stopped", "not confirmed", "cannot tell"]


class Kind(StrEnum):
    """See the module."""

    TRACKED = "tracked"
    ADOPTED = "adopted"
    ORPHANED = "orphaned"
    VANISHED = "vanished"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Entry:
    """One pod, or one run whose pod is missing."""

    kind: Kind
    provider: str
    run_id: str
    attempt: int
    pod_id: str
    usd_per_hour: float
    reason: str
    unknown_run: bool = False
    """The store has no such run at all."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Settled:
    """An entry and what came of it."""

    entry: Entry
    result: Result


def classify(pod: Pod, provider: str, mark: str | tuple[str, ...], known: AttemptFacts | None, now: float) -> Entry:
    """One listed pod. ``known`` is what the record says of its attempt; None where the store has no such run."""
    if not pod.launch_id.startswith(mark):
        kind, reason = Kind.FOREIGN, "was launched for another store"
    elif known is not None:
        kind, reason = _of_known_run(pod, known, now)
    elif pod.created is None or now - pod.created <= UNCLAIMED_SECONDS:
        kind, reason = Kind.TRACKED, "has just been launched for a run that the store does not list yet"
    else:
        kind, reason = Kind.ORPHANED, f"is billed for run {pod.run_id}, of which the store has no record"
    return Entry(kind, provider, pod.run_id, pod.attempt, pod.id, pod.price_per_hour, reason, known is None)


def _of_known_run(pod: Pod, known: AttemptFacts, now: float) -> tuple[Kind, str]:
    finding = about_pod(pod, known, now)
    if finding is not None:
        return Kind.ORPHANED, finding.reason.removeprefix(f"pod {pod.id} ")
    if known.outcome is not None:
        return Kind.TRACKED, f"is ending: {known.outcome.outcome}"
    if known.claim is not None:
        return Kind.TRACKED, "is the run's own" if known.claim.pod_id == pod.id else "has no claim and ends itself"
    if pod.created is not None and now - pod.created <= CLIENT_SECONDS:
        return Kind.TRACKED, "has just been launched"
    if known.intent is not None and pod.launch_id.startswith(known.intent.launch_id):
        return Kind.ADOPTED, "waits for the claim that its client did not write"
    return Kind.TRACKED, "has no claim and ends itself"


def survey_pods(store: Store, provider: Provider, pods: Iterable[Pod], now: float) -> list[Entry]:
    """Every pod of a listing. Reads only the records of the runs that have one.

    A store without any run owns nothing and condemns nothing: it may be one that is not mounted.

    Raises StoreError or CannotTellError where the record gives no answer.
    """
    mark, runs = marks_of(store), set(list_runs(store))
    entries = []
    for pod in pods:
        if not runs and pod.launch_id.startswith(mark):
            continue
        run = Run(store, pod.run_id)
        known = facts_of(run.attempt(pod.attempt), stamped=True) if pod.run_id in runs and run.exists() else None
        entries.append(classify(pod, provider.name, mark, known, now))
    return entries


def survey_runs(
    store: Store, provider: Provider, pods: Iterable[Pod], run_ids: Iterable[str], now: float
) -> list[Entry]:
    """The runs, all of this provider, whose newest attempt owns a pod that is not listed. One strike each."""
    listed = {(pod.run_id, pod.attempt) for pod in pods}
    entries = []
    for run_id in run_ids:
        attempts = Run(store, run_id).attempts()
        if not attempts or (run_id, attempts[-1].number) in listed:
            continue
        facts = facts_of(attempts[-1])
        if facts.claim is None or facts.outcome is not None or now - facts.claim.time <= LAUNCH_SECONDS:
            continue
        reason = "is the run's own, and the provider does not list it"
        claim = facts.claim
        entries.append(Entry(Kind.VANISHED, provider.name, run_id, facts.number, claim.pod_id, 0.0, reason))
    return entries


def still_orphaned(store: Store, provider: Provider, suspects: Sequence[Entry], clock: Clock) -> list[Entry]:
    """Those of the orphans that several further looks find orphaned too. Without an answer there are none."""
    found = list(suspects)
    for _ in range(LOOKS - 1):
        if not found:
            break
        time.sleep(PAUSE_SECONDS)
        suspected = {entry.pod_id for entry in found}
        try:
            pods = [pod for pod in provider.find(None) if pod.id in suspected]
            now = clock()
            entries = survey_pods(store, provider, on_clock(pods, now), now)
            found = [entry for entry in entries if entry.kind is Kind.ORPHANED]
        except NO_ANSWER:
            return []
    return found


def end_orphan(store: Store, provider: Provider, entry: Entry, by: str) -> bool:
    """Terminates a pod that no record owns, for the audit trail too; returns whether billing is proven off.

    Raises StoreError or ProviderError when the end cannot be confirmed.
    """
    confirmed = end_pods(provider, entry.run_id, (entry.pod_id,))
    if entry.unknown_run:
        note = {"what": "decided", "by": by, "time": time.time(), "billing_off": confirmed, **entry.as_dict()}
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        store.create(f"watchdog/events/{stamp}-{secrets.token_hex(4)}.json", json.dumps(note).encode())
    else:
        attempt = Run(store, entry.run_id).attempt(entry.attempt)
        attempt.note("billing off" if confirmed else "still billed", by, pod=entry.pod_id, reason=entry.reason)
    return confirmed


def adopt(store: Store, provider: Provider, entry: Entry, by: str) -> bool:
    """Writes the claim of a pod whose client died before it could; False if pod or attempt is not open any more.

    Safe beside a client that is only slow: it writes the same claim, since a launch id is of one pod. An agent that has
    given up waiting meanwhile ends its pod; the attempt is then lost, as any other.
    """
    attempt = Run(store, entry.run_id).attempt(entry.attempt)
    mine = [pod for pod in provider.find(entry.run_id) if pod.attempt == entry.attempt]
    if [pod.id for pod in mine] != [entry.pod_id] or attempt.outcome() is not None:
        return False
    (pod,) = mine
    intent = attempt.intent()
    since = time.time() if intent is None else intent.time  # the store's time, as in any claim
    claim = Claim(
        launch_id=pod.launch_id,
        pod_id=pod.id,
        price_per_hour=pod.price_per_hour,
        account=account_if_told(provider),
        time=since,
    )
    if not attempt.write_once("claim.json", claim):
        written = attempt.claim()
        return written is not None and written.pod_id == pod.id
    attempt.note("adopted", by, pod=pod.id, launch_id=pod.launch_id, price_per_hour=pod.price_per_hour)
    return True


def close_vanished(store: Store, provider: Provider, entry: Entry, by: str) -> bool:
    """Writes the outcome of an attempt whose pod is gone, once the provider has said so twice more.

    Raises CannotTellError when the agent still beats: the pod may be another account's.
    """
    return close_if_lost(provider, Run(store, entry.run_id).attempt(entry.attempt), by) is not None


def settle(
    store: Store, provider: Provider, run_ids: Iterable[str], terminate: bool, clock: Clock, by: str
) -> list[Settled]:
    """Sets the records right for one provider: adopts, closes what has vanished and, with ``terminate``, ends orphans.

    ``run_ids`` are the runs of this provider. Raises StoreError, ProviderError or CannotTellError where there is no
    answer to begin with; later trouble is told of each entry.
    """
    check_place(store)
    pods, now = provider.find(None), clock()
    pods = list(on_clock(pods, now))
    entries = [*survey_pods(store, provider, pods, now), *survey_runs(store, provider, pods, run_ids, now)]
    orphans = [entry for entry in entries if entry.kind is Kind.ORPHANED]
    sure = {entry.pod_id for entry in still_orphaned(store, provider, orphans, clock)} if terminate else set()
    settled = []
    for entry in entries:
        try:
            settled.append(_settle(store, provider, entry, terminate, entry.pod_id in sure, by))
        except NO_ANSWER as error:
            result: Result = "not confirmed" if entry.pod_id in sure else "cannot tell"
            settled.append(Settled(replace(entry, reason=f"{entry.reason}; no clear answer: {error}"), result))
    return settled


def _settle(store: Store, provider: Provider, entry: Entry, terminate: bool, sure: bool, by: str) -> Settled:
    if entry.kind is Kind.ORPHANED:
        return _settle_orphan(store, provider, entry, terminate, sure, by)
    if entry.kind is Kind.ADOPTED and not adopt(store, provider, entry, by):
        entry = replace(entry, kind=Kind.TRACKED, reason="has no claim and ends itself")
    elif entry.kind is Kind.VANISHED and not close_vanished(store, provider, entry, by):
        entry = replace(entry, kind=Kind.TRACKED, reason="is listed again")
    return Settled(entry, "good")


def _settle_orphan(store: Store, provider: Provider, entry: Entry, terminate: bool, sure: bool, by: str) -> Settled:
    if not terminate:
        return Settled(entry, "bad")
    if not sure:
        return Settled(replace(entry, reason=f"{entry.reason}; not so at every look"), "cannot tell")
    if end_orphan(store, provider, entry, by):
        return Settled(replace(entry, reason=f"{entry.reason}; ended, billing off"), "stopped")
    return Settled(replace(entry, reason=f"{entry.reason}; still billed"), "not confirmed")


def runs_by_provider(store: Store) -> dict[str, list[str]]:
    """The provider of every run whose spec can be read -> those runs."""
    found: dict[str, list[str]] = {}
    for run_id in list_runs(store):
        try:
            found.setdefault(Run(store, run_id).spec().provider, []).append(run_id)
        except (CannotTellError, UsageError):
            continue  # `status` says so of the run itself
    return found
