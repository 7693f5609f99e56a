"""What a plan says, of made-up offers."""

from dataclasses import replace
from typing import Any

import click.testing
import pytest

from infra.pods import Machine, Offer
from job.cli.plan import Plan, Upload, agree, lines
from job.errors import UsageError
from job.run.offers import Candidate, Choice
from job.spec.load import check_spec


def plan(*prices: float, spent: float | None = None, **changes: Any) -> Plan:
    rented = {"name": "a", "data": "/clips", "provider": "runpod", "image": "me/codec:1", "max_hours": 10, **changes}
    offers = [Offer("runpod", f"NVIDIA L{number}", price, True, "secure") for number, price in enumerate(prices)]
    choice = Choice(tuple(Candidate(offer, Machine(gpu_count=2)) for offer in offers), 0.0)
    return Plan("a-1", check_spec(rented, "test"), "s3://b/p", choice, Upload(6, 72.0, 2_000_000, 5_000_000), spent)


def said(of: Plan, label: str) -> str:
    return next(text for name, text in lines(of) if name == label)


def test_the_worst_cost_is_that_of_the_dearest_offer_with_its_basis() -> None:
    assert said(plan(0.2, 0.3), "cost").startswith("at most 6.00 USD: 0.6 USD/h x 10 h (list price")
    assert said(plan(0.2), "machine") == "2 x NVIDIA L0 (secure) at 0.40 USD/h"
    assert said(plan(0.2), "upload") == "6 clips, 72 s: 2.0 MB new of 5.0 MB"


def test_many_offers_are_one_line() -> None:
    many = lines(plan(*[0.2] * 4, 0.5, 0.4))
    assert [label for label, _ in many].count("or, if taken") == 3
    assert ("", "and 2 more, at most 1.00 USD/h") in many


def test_the_budget_ends_it_earlier_or_covers_it() -> None:
    assert said(plan(0.2), "budget") == "no max_cost: only max_hours ends the run"
    assert said(plan(0.2, max_cost=9), "budget") == "max_cost 9 USD: covers it"
    assert said(plan(0.2, max_cost=2), "budget") == "max_cost 2 USD: ends the run after 5.0 h at 0.4 USD/h"
    left = said(plan(0.2, spent=1.5, max_cost=2), "budget")
    assert left.startswith("max_cost 2 USD, of which 1.50 USD are spent (price x time of earlier attempts): ends the")
    assert "after 1.2 h" in left


def test_where_nothing_is_paid_nothing_is_asked() -> None:
    free = plan(0.0)
    agree(free, yes=False, as_json=True)
    assert said(free, "machine") == "NVIDIA L0, nothing is paid"
    assert {"cost", "budget"}.isdisjoint(label for label, _ in lines(free))


@pytest.mark.slow
def test_nobody_there_and_json_mean_no() -> None:
    agree(plan(0.2), yes=True, as_json=True)
    for as_json, why in ((True, "--json asks nothing"), (False, "no terminal to ask at")):
        with click.testing.CliRunner().isolation(), pytest.raises(UsageError, match=why):
            agree(plan(0.2), yes=False, as_json=as_json)


def test_a_resumed_attempt_uploads_nothing() -> None:
    resumed = replace(plan(0.2), upload=None)
    assert "upload" not in dict(lines(resumed))
    assert resumed.as_dict()["upload"] is None
