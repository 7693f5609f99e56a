"""What a run is doing, derived from its record and from the provider. Nothing here is stored."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from infra.pods import Pod, ProviderError, open_provider
from job.record.documents import Beat, Outcome, Progress
from job.record.judged_cache import Judged, Memory, judge
from job.record.run import Run
from job.run.cost import Amount, Bill, Invoice, Money, bills, cost_by_attempt, invoice_of, reckon, spent
from job.run.seen import AttemptFacts, Finds, Seen, see
from job.spec.model import JobSpec
from job.verdict.forecast import NO_PRICE, Forecast, Price, price_of
from job.verdict.pace import seconds_left, shortfall
from job.verdict.rows import Row, collate, json_number
from job.verdict.signs import Verdict

__all__ = ["ENDED", "Billing", "RunState", "judge", "look"]

Billing = Literal["on", "off", "unknown"]
ENDED = frozenset({"succeeded", "aborted", "failed", "stopped", "expired", "lost"})

# The agent beats every two seconds; a store that is slow for a moment is not worth a word.
SILENCE_SECONDS = 60.0
# A pod that has written its outcome asks for its own end for minutes (docs/architecture.md).
ENDING_SECONDS = 300.0
STILL = {
    "submitted": "nobody has claimed a pod for it: either the launch goes on now, or its client has died",
    "starting": "the pod has been launched and its agent has not reported yet",
    "syncing": "the pod fetches the data and the newest checkpoint",
    "training": "the trainer runs",
    "stopping": "it is ending: the pod saves, uploads and is ended",
    "lost": "the pod is gone and has left no outcome",
}


class _Silent:
    """A provider that cannot even be opened, for want of a key: the record can be read all the same."""

    def __init__(self, error: ProviderError) -> None:
        self.error = error

    def find(self, run_id: str | None) -> list[Pod]:
        raise self.error


def finder(name: str) -> Finds:
    """The provider of this name; one that cannot be opened gives its error as the answer to whoever asks it."""
    try:
        return open_provider(name)
    except ProviderError as error:
        return _Silent(error)


@dataclass(frozen=True)
class RunState:
    """One run at one moment."""

    run_id: str
    spec: JobSpec
    submitted: float
    attempt: int
    state: str
    billing: Billing
    progress: Progress | None
    rows: list[Row]
    """All of them; where `see` was given a memory, only the newest validation row that counts."""
    verdict: Verdict
    outcome: Outcome | None
    pods: list[str]
    money: Money
    next_step: str
    read: float = 0.0
    """When this was read, Unix seconds."""
    costs: dict[int, Amount] = field(default_factory=dict)
    """Cost of each attempt that has had a pod, by its number."""
    attempts: tuple[AttemptFacts, ...] = ()
    """What the record says of each, oldest first."""
    pod: str | None = None
    """The pod that the newest attempt has claimed, living or gone."""
    gpu: str | None = None
    """What it has, in words."""
    usd_per_hour: float | None = None
    """Its price, for all GPUs of all nodes; what it cost, once it is gone."""
    deadline: float | None = None
    """When max_hours ends the newest attempt, Unix seconds."""
    seconds_left: float | None = None
    """Until training has done its planned steps at the speed measured, or the deadline comes; None once it is over."""
    shortfall: str = ""
    """What max_hours or max_cost will leave undone at the pace measured, in one sentence."""
    forecast: Forecast | None = None
    """Of the end of the plan, while the run trains. It advises; only the checklist acts."""
    to_good: Price = NO_PRICE
    """Time and money until the forecast's good limit is likely reached."""
    epochs: int | None = None
    """Epochs that the run was asked for, by its spec or else by the trainer's own default."""
    beat: float | None = None
    """The newest sign of life of the agent of the newest attempt, Unix seconds."""
    synced: tuple[int, int] | None = None
    """(bytes there, bytes in all) of the data, while the pod fetches them."""
    listed: tuple[Pod, ...] = ()
    """The run's pods as the provider lists them; empty, too, when billing is unknown."""
    began: float | None = None
    """When the newest attempt's pod was had, Unix seconds."""
    trouble: str = ""
    """Why the provider gave no answer."""

    @property
    def enter(self) -> str:
        """The command that opens a shell in the pod; empty where there is no way."""
        return next((pod.enter for pod in self.listed if pod.enter), "")

    @cached_property
    def validations(self) -> list[Row]:
        """The validation rows that count, in the order of training."""
        return [row for row in collate(self.rows) if row.kind == "validation"]

    def last_validation(self) -> Row | None:
        """The newest of them."""
        return self.validations[-1] if self.validations else None

    def planned_epochs(self) -> int | None:
        """Epochs that the run was asked for, where spec or trainer say so."""
        return self.spec.train.num_epochs or self.epochs

    def happened(self) -> str:
        """What has become of it, in one sentence."""
        if self.outcome is not None:
            ending = "; its pod is still being ended" if self.state == "stopping" else ""
            return f"{self.outcome.reason} (by {self.outcome.by}){ending}"
        silent = None if self.beat is None or self.state in ENDED else self.read - self.beat
        if silent is not None and silent > SILENCE_SECONDS:
            return f"its agent has been silent for {silent:.0f} s while {self.state}"
        return STILL.get(self.state, self.state)

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON of `codecjob status --json` (docs/reference.md)."""
        validation = self.last_validation()
        return {
            "run": self.run_id,
            "name": self.spec.name,
            "unreadable": None,
            "state": self.state,
            "happened": self.happened(),
            "billing": self.billing,
            "billing_trouble": self.trouble or None,
            "attempt": self.attempt,
            "provider": self.spec.provider,
            "pods": self.pods,
            "pod": self.pod,
            "enter": self.enter or None,
            "gpu": self.gpu,
            "usd_per_hour": self.usd_per_hour,
            "submitted": self.submitted,
            "read": self.read,
            "deadline": self.deadline,
            "seconds_left": self.seconds_left,
            "epoch": self.progress.epoch if self.progress else None,
            "epochs": self.planned_epochs(),
            "step": self.progress.step if self.progress else None,
            "phase": self.progress.phase if self.progress else None,
            "metrics": {name: json_number(value) for name, value in validation.values.items()} if validation else None,
            "verdict": self.verdict.as_dict(),
            "forecast": {**self.forecast.as_dict(), **asdict(self.to_good)} if self.forecast else None,
            "outcome": self.outcome.model_dump() if self.outcome else None,
            "cost_usd": self.money.cost.usd,
            "money": self.money.as_dict(),
            "next": self.next_step,
        }


def look(
    run: Run,
    provider: Finds,
    with_invoice: bool = False,
    memory: Memory | None = None,
    clock: Callable[[], float] | None = None,
) -> RunState:
    """The state of a run as `see` reads it now, by the store's ``clock`` where one is given.

    ``with_invoice`` asks the provider about its bill, too.
    """
    return state_of(see(run, provider, memory, clock), invoice_of(provider) if with_invoice else None)


def state_of(seen: Seen, invoice: Invoice | None = None) -> RunState:
    """What a run is doing."""
    newest, judged, beat = seen.newest, seen.judged, seen.beat
    claim, outcome = newest.claim, newest.outcome
    billing: Billing = "unknown" if seen.trouble else "on" if seen.pods else "off"
    state = _state(seen, billing)
    deadline = newest.intent.deadline if newest.intent else None
    expected = judged.forecast if state == "training" else None
    paid = bills(seen.attempts, billing == "on", invoice)
    return RunState(
        run_id=seen.run_id,
        spec=seen.spec,
        submitted=seen.submission.submitted,
        attempt=newest.number,
        state=state,
        billing=billing,
        progress=seen.progress,
        rows=seen.rows,
        verdict=judged.verdict,
        outcome=outcome,
        pods=[pod.id for pod in seen.pods],
        money=reckon(paid, judged.pace, outcome.outcome if outcome else None, deadline, seen.now),
        costs=cost_by_attempt(paid, seen.now),
        next_step=_next_step(seen.run_id, state, _stale(seen, billing)),
        read=seen.now,
        attempts=seen.attempts,
        pod=claim.pod_id if claim else None,
        gpu=(claim.gpu or None) if claim else None,
        usd_per_hour=claim.price_per_hour if claim else None,
        deadline=deadline,
        seconds_left=_seconds_left(judged, state, deadline, seen.now),
        shortfall=_shortfall(seen, judged, deadline, paid) if state == "training" else "",
        forecast=expected,
        to_good=price_of(expected, judged.pace, claim.price_per_hour if claim else None) if expected else NO_PRICE,
        epochs=judged.epochs,
        beat=_heard(seen),
        synced=_synced(beat),
        listed=seen.pods,
        began=claim.time if claim else None,
        trouble=str(seen.trouble or ""),
    )


def _heard(seen: Seen) -> float | None:
    """When the agent was last heard, by the clock of ``seen.now`` where the store's is known."""
    if seen.beat is None:
        return None
    return seen.beat.time if seen.beat_age is None else seen.now - seen.beat_age


def _shortfall(seen: Seen, judged: Judged, deadline: float | None, paid: Sequence[Bill]) -> str:
    most, cost = seen.spec.max_cost, spent(paid, seen.now)
    usd = None if most is None or cost is None else max(most - cost, 0.0)
    price = seen.newest.claim.price_per_hour if seen.newest.claim else None
    return shortfall(judged.pace, None if deadline is None else max(deadline - seen.now, 0.0), usd, price)


def _synced(beat: Beat | None) -> tuple[int, int] | None:
    return None if beat is None or beat.synced is None or beat.to_sync is None else (beat.synced, beat.to_sync)


def _seconds_left(judged: Judged, state: str, deadline: float | None, now: float) -> float | None:
    left = seconds_left(judged.pace) if state == "training" else None
    return left if left is None or deadline is None else min(left, max(deadline - now, 0.0))


def _state(seen: Seen, billing: Billing) -> str:
    # Nothing is reported as ended while the provider still lists the pod.
    if (outcome := seen.newest.outcome) is not None:
        return "stopping" if billing == "on" else outcome.outcome
    if billing == "off" and seen.newest.claim is not None:
        return "lost"
    if seen.stop is not None:
        return "stopping"
    if seen.beat is None:
        return "starting" if seen.newest.claim else "submitted"
    return seen.beat.state


def _stale(seen: Seen, billing: Billing) -> bool:
    """Whether a pod is paid for that does nothing more: its agent is silent, or done and does not end it."""
    if billing != "on":
        return False
    if (outcome := seen.newest.outcome) is not None:
        return seen.now - outcome.time > ENDING_SECONDS
    heard = _heard(seen)
    return heard is not None and seen.now - heard > seen.spec.watch.agent


def _next_step(run_id: str, state: str, stale: bool) -> str:
    if stale:
        return f"codecjob abort-on-bad-signs {run_id} looks whether it is dead, and ends it; codecjob stop {run_id}"
    if state in ("failed", "lost", "stopped", "expired", "submitted"):
        return f"codecjob logs {run_id}; codecjob resume {run_id}"
    if state == "aborted":
        return f"codecjob report {run_id}; change the spec and submit again"
    if state == "succeeded":
        return f"codecjob pull {run_id} DIR; codecjob report {run_id}"
    return f"codecjob logs {run_id} -f"
