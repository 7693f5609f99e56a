"""What a run costs, what it would have cost to its end, and what stopping it has saved; each with its basis.

An amount that nothing is known about is None, never a guess, and its basis says what is missing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from infra.pods import Bills, ProviderError
from job.record.causes import OutcomeName
from job.run.seen import AttemptFacts
from job.verdict.pace import Pace

# What a provider writes down by the hour is complete when the pod's last hour is over, with some delay.
INVOICE_SECONDS = 2 * 3600.0

INVOICE_COMPLETE_SECONDS = 24 * 3600.0
"""After that a bill is taken as complete; before, the larger of bill and reckoning counts: hours are posted late."""

Invoice = Callable[[str], float | None]
"""Pod id -> USD on the provider's bill, None where it knows of nothing."""

STOPPED_EARLY: frozenset[OutcomeName] = frozenset({"aborted", "stopped", "expired"})


@dataclass(frozen=True)
class Bill:
    """One attempt's pod: its price, and from when to when it was paid."""

    attempt: int
    price_per_hour: float
    began: float
    ended: float | None
    """None while it is still billed."""
    invoiced: float | None = None
    """USD that the provider has put on its bill so far."""
    billed_at: float | None = None
    """When the bill was read (Unix seconds)."""

    def usd(self, now: float) -> float:
        """What it has cost by now."""
        reckoned = self.price_per_hour * self.hours(now)
        return self.invoiced if self.invoiced is not None and self._bill_counts(reckoned) else reckoned

    def _bill_counts(self, reckoned: float) -> bool:
        """Whether the bill says more than the reckoning does: it is complete, or higher already."""
        if self.invoiced is None:
            return False
        complete = self.ended is not None and self.billed_at is not None
        complete = complete and (self.billed_at or 0.0) - (self.ended or 0.0) > INVOICE_COMPLETE_SECONDS
        return complete or self.invoiced >= reckoned

    def basis(self, now: float) -> str:
        """Where the amount comes from."""
        reckoned = f"{self.price_per_hour:g} USD/h x {self.hours(now):.3g} h"
        if self.invoiced is None:
            return reckoned
        if self._bill_counts(self.price_per_hour * self.hours(now)):
            return f"the provider's bill of {self.invoiced:.4g} USD"
        return f"{reckoned}; the provider's bill of {self.invoiced:.4g} USD is not complete yet"

    def hours(self, now: float) -> float:
        """How long it has been paid for."""
        return max((now if self.ended is None else self.ended) - self.began, 0.0) / 3600


@dataclass(frozen=True)
class Amount:
    """Dollars and where the number comes from."""

    usd: float | None
    basis: str


@dataclass(frozen=True)
class Money:
    """A run's money at one moment."""

    cost: Amount
    to_the_end: Amount
    saved: Amount

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def bills(attempts: Iterable[AttemptFacts], billed: bool = True, invoice: Invoice | None = None) -> list[Bill]:
    """The claims of some attempts, oldest first. While ``billed``, the newest one's pod is paid for all the same.

    ``invoice`` says what the provider has put on its bill for a pod; it is asked for those that ended long enough ago.
    """
    found: list[Bill] = []
    for attempt in attempts:
        claim, outcome = attempt.claim, attempt.outcome
        if claim is None:
            continue
        ended = outcome.time if outcome else None
        invoiced, read = None, None
        if invoice is not None and ended is not None and time.time() - ended > INVOICE_SECONDS:
            invoiced = invoice(claim.pod_id)
            read = time.time()
        found.append(Bill(attempt.number, claim.price_per_hour, claim.time, ended, invoiced, read))
    if billed and found:
        found[-1] = replace(found[-1], ended=None, invoiced=None, billed_at=None)
    return found


def invoice_of(provider: object) -> Invoice | None:
    """Asks a provider that tells its bill; no answer is as good as no bill. None for one that does not tell."""
    if not isinstance(provider, Bills):
        return None

    def ask(pod_id: str) -> float | None:
        try:
            return provider.billed(pod_id)
        except ProviderError:
            return None

    return ask


def spent(of: Sequence[Bill], now: float) -> float | None:
    """USD so far; None before there is a pod."""
    return sum(bill.usd(now) for bill in of) if of else None


def broke_at(attempts: Iterable[AttemptFacts], max_cost: float | None) -> float | None:
    """When (Unix seconds) the newest attempt will have spent what the run may cost; None where nothing is paid."""
    paid = bills(attempts)
    if max_cost is None or not paid or paid[-1].price_per_hour <= 0:
        return None
    *earlier, newest = paid
    left = max(max_cost - (spent(earlier, newest.began) or 0.0), 0.0)
    return newest.began + left / newest.price_per_hour * 3600


def cost_by_attempt(of: Iterable[Bill], now: float) -> dict[int, Amount]:
    """What each attempt that has had a pod has cost by ``now``."""
    return {bill.attempt: Amount(_cents(bill.usd(now)), bill.basis(now)) for bill in of}


def reckon(of: Sequence[Bill], pace: Pace, outcome: OutcomeName | None, deadline: float | None, now: float) -> Money:
    """A run's money at ``now``, or at the end of its newest bill.

    ``outcome`` is how its newest attempt has ended; ``deadline`` is when max_hours ends it.
    """
    if not of:
        nothing = Amount(None, "there has been no pod")
        return Money(nothing, nothing, nothing)
    until = now if of[-1].ended is None else of[-1].ended
    cost = Amount(_cents(spent(of, until) or 0.0), " + ".join(bill.basis(until) for bill in of))
    rest = _rest(of[-1], pace, deadline, until)
    whole = Amount(None if rest.usd is None else _cents((cost.usd or 0.0) + rest.usd), f"the cost, and {rest.basis}")
    if outcome in STOPPED_EARLY:
        saved = rest
    else:
        saved = Amount(None, "the run goes on" if outcome is None else f"the run {outcome}; nobody stopped it")
    return Money(cost, whole if rest.usd is not None else rest, saved)


def _rest(bill: Bill, pace: Pace, deadline: float | None, now: float) -> Amount:
    """What the steps that are left would cost, at the speed measured so far, until the deadline at most."""
    if pace.planned_steps is None or pace.step is None:
        return Amount(None, "unknown: the trainer has not said how many steps it plans")
    if pace.seconds_per_step is None:
        return Amount(None, "unknown: no speed has been measured yet")
    left = max(pace.planned_steps - pace.step, 0)
    hours = left * pace.seconds_per_step / 3600
    basis = f"{left} of {pace.planned_steps} planned steps left at {1 / pace.seconds_per_step:.3g} steps/s"
    if deadline is not None and hours > (to_deadline := max(deadline - now, 0.0) / 3600):
        hours = to_deadline
        basis = f"{basis}, cut off by max_hours"
    return Amount(_cents(bill.price_per_hour * hours), f"{bill.price_per_hour:g} USD/h x {hours:.3g} h: {basis}")


def _cents(usd: float) -> float:
    return round(usd, 4)
