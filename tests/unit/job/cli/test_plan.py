"""What a plan says, of made-up offers, and when a paid run may be left alone."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import pytest

from infra.pods import ANY_MACHINE, Machine, Offer
from infra.pods.local import LocalProvider
from infra.store import Store, open_store
from job.cli.plan import Plan, Upload, agree, check_watched, lines
from job.errors import UsageError
from job.run.offers import Candidate, Choice, look_for
from job.spec.load import check_spec
from job.spec.model import JobSpec


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


class Priced(LocalProvider):
    def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
        return [replace(offer, price_per_hour=0.5) for offer in super().offers()]


@pytest.fixture
def spec() -> JobSpec:
    return check_spec({"name": "paid", "data": "clips", "max_hours": 10}, "here")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def test_a_free_run_may_be_left_alone(spec: JobSpec, store: Store, tmp_path: Path) -> None:
    check_watched(spec, look_for(LocalProvider(tmp_path), spec), store, unwatched=False)


def test_a_paid_run_may_not(spec: JobSpec, store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"at worst it costs 5\.00 USD"):
        check_watched(spec, look_for(Priced(tmp_path), spec), store, unwatched=False)


def test_the_user_may_say_so(spec: JobSpec, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_watched(spec, look_for(Priced(tmp_path), spec), store, unwatched=True)
    assert "at worst it costs 5.00 USD" in capsys.readouterr().err


def test_a_watchdog_that_has_just_looked_is_enough(spec: JobSpec, store: Store, tmp_path: Path) -> None:
    store.put("watchdog/all.json", json.dumps({"time": time.time(), "sees": ["local"]}).encode())
    check_watched(spec, look_for(Priced(tmp_path), spec), store, unwatched=False)


def test_a_watchdog_that_cannot_ask_the_provider_is_not(spec: JobSpec, store: Store, tmp_path: Path) -> None:
    store.put("watchdog/all.json", json.dumps({"time": time.time(), "sees": ["runpod"]}).encode())
    with pytest.raises(UsageError, match="nobody watches this run"):
        check_watched(spec, look_for(Priced(tmp_path), spec), store, unwatched=False)
