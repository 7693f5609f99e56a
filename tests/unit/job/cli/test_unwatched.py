"""Detaching from a paid run: the one provider here is free, so that a price is set on its offer."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from infra.pods import ANY_MACHINE, Machine, Offer
from infra.pods.local import LocalProvider
from infra.store import Store, open_store
from job.cli.unwatched import check_watched
from job.errors import UsageError
from job.run.offers import look_for
from job.spec.load import check_spec
from job.spec.model import JobSpec


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
