import time

import pytest

from infra.pods import Bills, Transient
from infra.store import Store
from job.record.documents import Claim, Outcome
from job.record.run import Run
from job.run.cost import (
    INVOICE_COMPLETE_SECONDS,
    INVOICE_SECONDS,
    Bill,
    bills,
    broke_at,
    cost_by_attempt,
    invoice_of,
    reckon,
    spent,
)
from job.run.seen import AttemptFacts, facts_of
from job.verdict.pace import pace
from job.verdict.rows import Row

HOUR = 3600.0


def rows(steps: int, planned: int = 3600, per_step: float = 1.0) -> list[Row]:
    start = Row(1, "start", 0, 0, {"time": 0.0, "steps_per_epoch": 60.0, "planned_steps": float(planned)})
    return [start, *(Row(1, "train", step, 0, {"time": step * per_step}) for step in range(1, steps + 1))]


def test_the_cost_is_price_times_time_over_all_attempts() -> None:
    paid = [Bill(1, 2.0, 0.0, HOUR), Bill(2, 4.0, 2 * HOUR, None)]
    money = reckon(paid, pace([]), None, None, 2.5 * HOUR)
    assert money.cost.usd == 4.0
    assert money.cost.basis == "2 USD/h x 1 h + 4 USD/h x 0.5 h"


def test_what_it_would_have_cost_and_what_was_saved_come_from_the_speed() -> None:
    paid = [Bill(1, 2.0, 0.0, 900.0)]  # an hour of steps at one a second, stopped after a quarter of it
    money = reckon(paid, pace(rows(900)), "aborted", None, 5000.0)
    assert money.cost.usd == 0.5
    assert money.saved.usd == 1.5
    assert money.to_the_end.usd == 2.0
    assert "2700 of 3600 planned steps left at 1 steps/s" in money.saved.basis


def test_a_deadline_would_have_ended_it_anyway() -> None:
    money = reckon([Bill(1, 2.0, 0.0, 900.0)], pace(rows(900)), "aborted", deadline=1800.0, now=5000.0)
    assert money.saved.usd == 0.5
    assert "cut off by max_hours" in money.saved.basis


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ([], "how many steps"),
        ([Row(1, "start", 0, 0, {"planned_steps": 9.0}), Row(1, "train", 1, 0, {"time": 1.0})], "no speed"),
    ],
)
def test_what_is_not_known_is_blank_and_says_why(seen: list[Row], why: str) -> None:
    money = reckon([Bill(1, 2.0, 0.0, 900.0)], pace(seen), "aborted", None, 900.0)
    assert (money.saved.usd, money.to_the_end.usd) == (None, None)
    assert why in money.saved.basis
    assert money.cost.usd == 0.5


@pytest.mark.parametrize("outcome", [None, "succeeded", "failed"])
def test_nothing_is_saved_by_a_run_that_nobody_stopped(outcome: str | None) -> None:
    money = reckon([Bill(1, 2.0, 0.0, 900.0)], pace(rows(900)), outcome, None, 900.0)
    assert money.saved.usd is None


def test_without_a_pod_there_is_no_money() -> None:
    money = reckon([], pace([]), "failed", None, 0.0)
    assert {amount["usd"] for amount in money.as_dict().values()} == {None}


# From the record.


def attempt(run: Run, number: int, price: float, began: float, ended: float | None) -> AttemptFacts:
    attempt = run.attempt(number)
    attempt.write_once("claim.json", Claim(launch_id="a", pod_id="b", price_per_hour=price, time=began))
    if ended is not None:
        attempt.write_once("outcome.json", Outcome(outcome="failed", reason="x", by="agent", time=ended))
    return facts_of(attempt)


def test_a_pod_that_is_still_listed_is_still_paid(run: Run, store: Store) -> None:
    attempts = [attempt(run, 1, 1.0, 0.0, HOUR), attempt(run, 2, 1.0, HOUR, 2 * HOUR)]
    assert spent(bills(attempts, billed=False), 5 * HOUR) == 2.0
    assert spent(bills(attempts, billed=True), 5 * HOUR) == 5.0


def test_the_costs_of_the_attempts_add_up_to_the_runs(run: Run) -> None:
    attempts = [attempt(run, 1, 1.0, 0.0, HOUR), attempt(run, 2, 1.0, HOUR, 2 * HOUR)]
    paid = bills(attempts, billed=True)
    assert {number: cost.usd for number, cost in cost_by_attempt(paid, 5 * HOUR).items()} == {1: 1.0, 2: 4.0}
    assert reckon(paid, pace([]), "failed", None, 5 * HOUR).cost.usd == 5.0


def test_the_budget_is_for_all_attempts_together(run: Run) -> None:
    attempts = [attempt(run, 1, 2.0, 0.0, HOUR), attempt(run, 2, 4.0, 10 * HOUR, None)]
    assert broke_at(attempts, 6.0) == 11 * HOUR
    assert broke_at(attempts, 1.0) == 10 * HOUR, "spent before it began"
    assert broke_at(attempts, None) is None
    assert broke_at([], 6.0) is None


def test_what_is_free_never_spends_its_budget(run: Run) -> None:
    assert broke_at([attempt(run, 1, 0.0, 0.0, None)], 0.01) is None


class Biller:
    """As much of a provider as tells its bill."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def billed(self, pod_id: str) -> float | None:
        self.asked.append(pod_id)
        if pod_id == "outage":
            raise Transient("no answer")
        return None if pod_id == "unknown" else 1.25


def ended_attempt(store: Store, pod_id: str, ago: float, price: float = 2.0) -> AttemptFacts:
    now = time.time()
    attempt = Run(store, "a").attempt(1)
    attempt.write_once("claim.json", Claim(launch_id="l", pod_id=pod_id, price_per_hour=price, time=now - ago - HOUR))
    attempt.write_once("outcome.json", Outcome(outcome="succeeded", reason="", by="agent", time=now - ago))
    return facts_of(attempt)


def test_long_after_the_end_the_providers_bill_counts(store: Store) -> None:
    invoice = invoice_of(Biller())  # type: ignore[arg-type]
    paid = bills([ended_attempt(store, "p1", INVOICE_COMPLETE_SECONDS + 60)], billed=False, invoice=invoice)
    money = reckon(paid, pace([]), "succeeded", None, time.time())
    assert money.cost.usd == 1.25
    assert money.cost.basis == "the provider's bill of 1.25 USD"


@pytest.mark.parametrize(("price", "usd"), [(2.0, 2.0), (1.0, 1.25)])
def test_a_bill_that_may_not_be_complete_replaces_nothing_larger(store: Store, price: float, usd: float) -> None:
    """The provider posts hours late: after two hours it may have written down a part only."""
    invoice = invoice_of(Biller())  # type: ignore[arg-type]
    attempt = ended_attempt(store, "p1", INVOICE_SECONDS + 60, price)
    money = reckon(bills([attempt], billed=False, invoice=invoice), pace([]), "succeeded", None, time.time())
    assert money.cost.usd == pytest.approx(usd, abs=0.001)
    assert ("is not complete yet" in money.cost.basis) == (usd == 2.0)


@pytest.mark.parametrize(("pod_id", "ago"), [("p1", 60.0), ("unknown", 9e4), ("outage", 9e4)])
def test_a_bill_that_is_young_or_missing_is_reckoned(store: Store, pod_id: str, ago: float) -> None:
    invoice = invoice_of(Biller())  # type: ignore[arg-type]
    paid = bills([ended_attempt(store, pod_id, ago)], billed=False, invoice=invoice)
    assert spent(paid, time.time()) == pytest.approx(2.0)


def test_a_run_that_is_still_billed_is_reckoned(store: Store) -> None:
    biller = Biller()
    assert isinstance(biller, Bills)
    paid = bills([ended_attempt(store, "p1", 9e4)], billed=True, invoice=invoice_of(biller))  # type: ignore[arg-type]
    assert paid[-1].invoiced is None
