"""What a run is doing, from real records and real local pods."""

import os
import sys
import time
from pathlib import Path

import pytest

from fakes.records import HOUR, add_attempt, add_run, rows, run_id
from helpers import CountingStore
from infra.pods import LaunchRequest, Unauthorised
from infra.pods.local import LocalProvider
from infra.store import Store
from job.record.documents import Outcome
from job.record.run import Run
from job.run.state import look


def launch(provider: LocalProvider, run: Run) -> str:
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    return provider.launch(LaunchRequest(run.run_id, run.run_id, 1, "launch-1", command, {})).id


@pytest.mark.slow
def test_a_run_that_trains(store: Store, provider: LocalProvider) -> None:
    now = time.time()
    run = add_run(store, run_id(0), now, rows().replace(b'"planned_steps": 120', b'"planned_steps": 240'))
    pod = launch(provider, run)
    state = look(run, provider)
    assert (state.state, state.billing, state.pods) == ("training", "on", [pod])
    assert (state.pod, state.gpu, state.usd_per_hour) == ("pod-0000", "NVIDIA GeForce RTX 4090", 0.34)
    assert state.money.cost.usd == pytest.approx(0.34, rel=0.05)
    assert state.deadline == pytest.approx(now + 23 * HOUR)
    assert state.planned_epochs() == 3
    assert state.happened() == "the trainer runs"
    assert state.seconds_left is not None
    assert 1 < state.seconds_left < 60, "120 steps at about 0.1 s"
    assert state.forecast is not None
    assert (state.forecast.metric, state.forecast.step, state.forecast.is_good) == ("snr_db", 240, True)
    document = state.as_dict()["forecast"]
    assert document["low"] < document["value"] < document["high"]
    assert (document["seconds"], document["usd"]) == (None, None), "it is good already"


@pytest.mark.slow
def test_an_agent_that_is_silent_is_told_of(store: Store, provider: LocalProvider) -> None:
    run = add_run(store, run_id(0), time.time(), rows(), silent=300.0)
    launch(provider, run)
    assert look(run, provider).happened().startswith("its agent has been silent for 30")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("silent", "ended", "says"), [(1.0, 0.0, "logs"), (1000.0, 0.0, "abort"), (1.0, 400.0, "abort")]
)
def test_what_to_do_with_a_pod_that_does_nothing_more(
    store: Store, provider: LocalProvider, silent: float, ended: float, says: str
) -> None:
    run = add_run(store, run_id(0), time.time(), rows(), silent=silent)
    if ended:
        done = Outcome(outcome="succeeded", reason="done", by="agent", time=time.time() - ended)
        run.attempt(1).write_once("outcome.json", done)
        os.utime(
            Path(store.url.removeprefix("file://")) / f"{run.attempt(1).prefix}/outcome.json", (done.time, done.time)
        )
    launch(provider, run)
    assert look(run, provider).next_step.startswith(f"codecjob {says}")


def test_a_pod_that_is_gone_and_an_outcome(store: Store, provider: LocalProvider) -> None:
    lost = look(add_run(store, run_id(0), time.time(), rows()), provider)
    assert (lost.state, lost.billing, lost.seconds_left, lost.forecast) == ("lost", "off", None, None)
    assert lost.happened() == "the pod is gone and has left no outcome"
    over = look(add_run(store, run_id(1), time.time(), outcome="failed", reason="disk full"), provider)
    assert (over.state, over.happened()) == ("failed", "disk full (by agent)")


def test_a_provider_without_an_answer_says_why(store: Store) -> None:
    class Silent:
        def find(self, run_id: str | None) -> list[object]:
            raise Unauthorised("no key")

    run = add_run(store, run_id(0), time.time(), rows())
    state = look(run, Silent())  # type: ignore[arg-type]
    assert (state.billing, state.as_dict()["billing_trouble"]) == ("unknown", "no key")


def test_epochs_are_the_trainers_where_the_spec_leaves_them_to_it(store: Store, provider: LocalProvider) -> None:
    run = add_run(store, run_id(0), time.time(), rows("preempted"), spec={"train": {}})
    assert look(run, provider).planned_epochs() == 3
    waiting = add_run(store, run_id(1), time.time(), spec={"train": {}})
    assert look(waiting, provider).planned_epochs() is None


def test_each_document_is_read_once(store: Store, provider: LocalProvider) -> None:
    run = add_run(store, run_id(0), time.time(), rows(), outcome="failed")
    add_attempt(run, 2, time.time(), rows())
    counting = CountingStore(store)
    look(Run(counting, run.run_id), provider)  # type: ignore[arg-type]
    assert len(counting.read) == len(set(counting.read))
