"""Real trainings that hang, are left alone, or spend too much: somebody ends each of them, and says why."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psutil
import pytest

from helpers import event_names, log_of
from infra.pods import LaunchRequest, Pod
from job import dataset
from job.record.documents import Submission
from job.record.run import Run
from job.run import launch
from job.run.offers import look_for
from job.run.pod_env import client_part
from job.spec.load import load_spec

LONG = {"num_epochs": 2000}


def send(desk: Any, run: Run, number: signal.Signals, *modules: str) -> None:
    for module in modules:
        for process in desk.processes(run, module):
            process.send_signal(number)


def training(desk: Any, **spec: Any) -> Run:
    run = desk.submit(desk.spec(**{"train": LONG, **spec}))
    desk.wait_for(run.attempt(1).checkpoints)
    return run


def test_a_loop_that_hangs_is_ended_by_its_agent_with_its_stacks_in_the_log(desk: Any) -> None:
    run = training(desk, watch={"silent": 3})
    send(desk, run, signal.SIGSTOP, "codec")
    assert desk.wait_for_end(run.attempt(1)) == "aborted"
    outcome = run.attempt(1).outcome()
    assert outcome.by == "agent"
    assert "the training loop hung" in outcome.reason
    log = log_of(run.attempt(1))
    assert "(most recent call first)" in log
    assert 'train.py"' in log
    events = {event["what"]: event for event in run.attempt(1).events()}
    assert events["hung"]["seconds"] > 3
    assert events["ended"]["progress"]["step"] > 0
    # It was only asleep, so it could still save.
    assert "stopped on request" in log


@contextmanager
def held_down(processes: list[psutil.Process]) -> Iterator[None]:
    """Processes that are stopped again whenever somebody wakes them: nothing can make them answer."""
    done = threading.Event()

    def hold() -> None:
        while not done.wait(0.01):
            for process in processes:
                try:
                    process.send_signal(signal.SIGSTOP)
                except psutil.Error:
                    continue

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(60)


def test_a_loop_that_cannot_answer_is_killed(desk: Any) -> None:
    run = training(desk, watch={"silent": 3})
    with held_down(desk.processes(run, "codec")):
        assert desk.wait_for_end(run.attempt(1)) == "aborted"
    assert "did not stop within" in log_of(run.attempt(1))
    assert run.newest_checkpoint() is not None


def test_an_agent_that_was_killed_alone_takes_its_pod_along_and_the_watchdog_writes_it_down(desk: Any) -> None:
    run = training(desk, watch={"agent": 15})
    send(desk, run, signal.SIGKILL, "job.pod.agent")
    desk.wait_for(lambda: not desk.provider.find(run.run_id))
    closed = desk.command("abort-on-bad-signs", run.run_id, "--json")
    assert (closed.returncode, json.loads(closed.stdout)["finding"]) == (21, "lost")
    assert run.attempt(1).outcome().by == "watchdog"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_trainer_without_an_agent_is_ended_by_the_watchdog(desk: Any, number: signal.Signals) -> None:
    run = training(desk, watch={"agent": 3})
    if number == signal.SIGKILL:
        send(desk, run, number, "job.supervisor", "job.pod.agent")
    else:
        send(desk, run, number, "job.pod.agent", "codec")
    ended = desk.command("abort-on-bad-signs", run.run_id, "--watch", "--json")
    report = json.loads(ended.stdout)
    assert (ended.returncode, report["finding"]) == (21, "agent silent"), ended.stderr
    assert not desk.provider.find(run.run_id)
    assert run.attempt(1).outcome().by == "watchdog"
    whats = event_names(run.attempt(1))
    assert whats == ["launched", "agent started", "decided", "stop requested", "terminating", "ended", "billing off"]
    assert json.loads(desk.command("status", run.run_id, "--json").stdout)["billing"] == "off"


def test_a_run_without_its_supervisor_goes_on_to_its_end(desk: Any) -> None:
    run = training(desk, train={"num_epochs": 12})
    send(desk, run, signal.SIGKILL, "job.supervisor")
    assert desk.wait_for_end(run.attempt(1)) == "succeeded"


# A pod's first process and its agent as they are, but for the time that the agent leaves to the first.
AGENT = "import sys, job.pod.agent; job.pod.self_termination.LAST_RESORT_SECONDS = 1; sys.exit(job.pod.agent.main())"
LEADER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {AGENT!r}])"


def test_an_agent_without_a_supervisor_cannot_outlive_the_deadline(desk: Any) -> None:
    run = Run(desk.store, "tiny-20260101-000000-0000")
    env = {**desk.env, **client_part(run.run_id, 1, desk.store.url, time.time() + 5)}
    pod = desk.provider.launch(LaunchRequest("pod", run.run_id, 1, "launch", (sys.executable, "-c", LEADER), env))
    (agent,) = desk.wait_for(lambda: desk.processes(run, AGENT))
    agent.parent().kill()
    desk.wait_for(lambda: not desk.provider.find(run.run_id))
    assert b"the deadline has passed and nobody has ended this pod" in b"".join(desk.provider.logs(pod.id))


class Priced:
    """The real provider, with a price."""

    def __init__(self, provider: Any, price: float) -> None:
        self.provider, self.price = provider, price
        self.name, self.settle_seconds = provider.name, provider.settle_seconds

    def launch(self, request: LaunchRequest) -> Pod:
        return replace(self.provider.launch(request), price_per_hour=self.price)

    def find(self, run_id: str | None) -> list[Pod]:
        return [replace(pod, price_per_hour=self.price) for pod in self.provider.find(run_id)]


def test_the_agent_ends_a_run_that_has_spent_its_budget_and_says_what_that_saved(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    spec = load_spec(desk.spec(train=LONG, max_cost=20.0))
    run = Run(desk.store, "tiny-20260101-000000-0000")
    pushed = dataset.push(desk.store, dataset.look_at(spec.data, 16000)).dataset_id
    run.create(Submission(submitted=time.time(), dataset=pushed, spec=spec.model_dump(mode="json")))
    planned = launch.plan(desk.store, run.run_id, 1, spec, look_for(desk.provider, spec).candidates)
    launch.start(Priced(desk.provider, 3600.0), run.attempt(1), planned)
    assert desk.wait_for_end(run.attempt(1)) == "expired"
    assert "max_cost (20 USD)" in run.attempt(1).outcome().reason
    money = run.attempt(1).events()[-1]["money"]
    assert 20 <= money["cost"]["usd"] <= 40
    assert money["saved"]["usd"] > 0
    assert "planned steps left" in money["saved"]["basis"]
    refused = desk.command("resume", run.run_id)
    assert refused.returncode == 2
    assert "has spent its max_cost" in refused.stderr


def test_an_aborted_run_goes_on_for_a_reason_that_is_kept(desk: Any) -> None:
    bad = {"min_steps": 20, "causes": {}}
    spec = desk.spec(train={**LONG, "learning_rate": 3.0}, checklist=bad)
    run = desk.submit(spec)
    assert desk.wait_for_end(run.attempt(1)) == "aborted"
    refused = desk.command("resume", run.run_id)
    assert refused.returncode == 2
    assert "--override" in refused.stderr
    assert run.attempt(2).intent() is None

    resumed = desk.command("resume", run.run_id, "--override", "to see it again", "--detach")
    assert resumed.returncode == 0, resumed.stderr
    seen = json.loads(desk.command("status", run.run_id, "--json").stdout)
    assert seen["attempt"] == 2
    assert desk.wait_for_end(run.attempt(2)) == "aborted", "the checklist judges anew"
    events = json.loads(desk.command("events", run.run_id, "--json").stdout)
    override = next(event for event in events if event["what"] == "override")
    assert (override["attempt"], override["reason"]) == (2, "to see it again")
    assert override["aborted_for"] == run.attempt(1).outcome().reason
    told = desk.command("events", run.run_id).stdout
    assert "override" in told
    assert [row.attempt for row in run.rows()][-1] == 2
