"""A run at one moment: its record and its pods, read once. Its state, the watchdog's reasons and the page are views."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from infra.pods import Pod, ProviderError
from job.record.attempt import Attempt
from job.record.documents import Beat, Claim, Intent, Outcome, Progress, StopRequest, Submission
from job.record.judged_cache import Judged, Memory, judge_rows
from job.record.run import Run
from job.record.store_id import own_pods
from job.run.account import account_of, check_account, is_own
from job.spec.model import JobSpec
from job.verdict.rows import Row


class Finds(Protocol):
    """As much of a provider as it takes to look at a run."""

    def find(self, run_id: str | None) -> list[Pod]:
        """See `infra.pods.Provider.find`."""
        ...


@dataclass(frozen=True)
class AttemptFacts:
    """What the record says of one attempt. None is what it does not say."""

    number: int
    intent: Intent | None = None
    claim: Claim | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Seen:
    """A run at one moment. Ages are in seconds by the clock of ``now``."""

    run_id: str
    now: float
    submission: Submission
    spec: JobSpec
    attempts: tuple[AttemptFacts, ...]
    """Oldest first."""
    pods: tuple[Pod, ...]
    trouble: ProviderError | None
    """Why the provider gave no answer, or one that proves nothing: the newest attempt is another account's."""
    rows: list[Row]
    """All of them; where `see` was given a memory, only the newest validation row that counts."""
    judged: Judged
    stop: StopRequest | None
    """Of the newest attempt, as long as it has no outcome; so are beat and progress."""
    beat: Beat | None
    beat_age: float | None
    """Since the store got it, by the store's own stamp; None also where `see` was given no clock."""
    progress: Progress | None
    own_account: bool = False
    """Whether the provider certainly would list the newest attempt's pod: the account that launched it was asked."""

    @property
    def newest(self) -> AttemptFacts:
        """The attempt that goes on, or was the last to; before the first is begun, one of which nothing is known."""
        return self.attempts[-1] if self.attempts else AttemptFacts(1)

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


@dataclass(frozen=True)
class Listed:
    """What the provider has just listed of a run, for a look that needs not ask again."""

    pods: list[Pod]
    provider: object = None

    def account(self) -> str | None:
        """See `infra.pods.TellsAccount`."""
        return account_of(self.provider)

    def find(self, run_id: str | None) -> list[Pod]:
        """The same again."""
        return self.pods


def facts_of(attempt: Attempt, stamped: bool = False) -> AttemptFacts:
    """What the record says of an attempt; if ``stamped``, with the time of its end by the store's own clock.

    That is wanted where a pod is listed all the same: it may itself have written when it ended, by any clock.

    Raises StoreError, and CannotTellError where a document cannot be read.
    """
    outcome = attempt.outcome()
    if outcome is not None and (stamped or outcome.time > time.time()):
        written = _modified(attempt, "outcome.json")
        # A pod may say what it likes, and nothing that has been written will have happened later.
        latest = time.time() if written is None else written
        ended = latest if stamped and written is not None else min(outcome.time, latest)
        outcome = outcome.model_copy(update={"time": ended})
    return AttemptFacts(attempt.number, attempt.intent(), attempt.claim(), outcome)


def on_clock(pods: Iterable[Pod], now: float) -> tuple[Pod, ...]:
    """The pods with the times of their making by the clock whose time is ``now``: providers give this machine's."""
    ahead = time.time() - now
    return tuple(replace(pod, created=None if pod.created is None else pod.created - ahead) for pod in pods)


def see(
    run: Run, provider: Finds, memory: Memory | None = None, store_clock: Callable[[], float] | None = None
) -> Seen:
    """Reads a run. With a ``memory``, rows that it knows are neither read nor judged again.

    With a ``store_clock`` the moment, and the age of the agent's beat, are by the clock of the store.

    Raises:
        StoreError, CannotTellError: the record gives no answer; a provider that gives none is `Seen.trouble`.
    """
    submission, spec, attempts = run.submission(), run.spec(), run.attempts()
    pods: tuple[Pod, ...] = ()
    trouble: ProviderError | None = None
    try:
        pods = tuple(own_pods(run.store, provider.find(run.run_id)))
    except ProviderError as error:
        trouble = error
    # Read after the pods: a pod that is gone by now has left its last rows and its outcome before.
    if memory is None:
        rows = run.rows(attempts)
        judged = judge_rows(rows, attempts, spec)
    else:
        judged = memory.judged(run, attempts, spec)
        rows = [judged.validation] if judged.validation else []
    listed = {pod.attempt for pod in pods}
    facts = tuple(facts_of(attempt, attempt.number in listed) for attempt in attempts)
    newest = attempts[-1] if attempts else run.attempt(1)
    beat_written = None if store_clock is None else _modified(newest, "alive.json")
    beat, progress = newest.beat(), newest.progress()
    now = time.time() if store_clock is None else store_clock()
    claimed = facts[-1].claim if facts else None
    own_account = False
    if trouble is None and not any(pod.attempt == newest.number for pod in pods):
        try:
            check_account(provider, claimed, run.run_id)
            own_account = is_own(provider, claimed)
        except ProviderError as error:
            trouble = error
    return Seen(
        run_id=run.run_id,
        now=now,
        submission=submission,
        spec=spec,
        attempts=facts,
        pods=pods if store_clock is None else on_clock(pods, now),
        trouble=trouble,
        rows=rows,
        judged=judged,
        stop=None if facts and facts[-1].outcome else newest.stop_request(),
        beat=beat,
        beat_age=None if beat_written is None else max(now - beat_written, 0.0),
        progress=progress,
        own_account=own_account,
    )


def _modified(attempt: Attempt, name: str) -> float | None:
    """When the store has got a document, by its own clock."""
    key = f"{attempt.prefix}/{name}"
    for info in attempt.store.list(f"{attempt.prefix}/"):
        if info.key >= key:  # sorted, and fetched while it is read: the beat is the first of all
            return info.modified if info.key == key else None
    return None
