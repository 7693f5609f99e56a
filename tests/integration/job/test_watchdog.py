"""What the watchdog ends and what it leaves alone, on real pods that only sleep."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from helpers import event_names
from infra.pods import LaunchRequest, Pod, Transient
from infra.pods.local import LocalProvider
from job.errors import CannotTellError
from job.record.documents import Beat, Claim, Intent, Outcome, Submission
from job.record.run import Run
from job.run import launch
from job.run.offers import look_for
from job.run.pod_env import client_part
from job.run.resume import resume
from job.run.termination import end
from job.spec.load import load_spec
from job.watch import end_reasons, reconcile, watchdog
from job.watch.heartbeat import StoreClock
from job.watch.watchdog import Report, look_after, look_after_all

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
# Seconds where a user has minutes.
HASTY = {"agent": 2}


def start(
    desk: Any, name: str = "tiny", price: float = 0.0, claimed: bool = True, age: float = 0.0, **spec: Any
) -> Run:
    """A run whose pod is a process that sleeps, and whose agent has beaten once."""
    run = Run(desk.store, f"{name}-20260101-000000-0000")
    job = load_spec(desk.spec(**{"name": name, "watch": HASTY, **spec}))
    now = time.time() - age
    run.create(Submission(submitted=now, dataset="none", spec=job.model_dump(mode="json")))
    attempt = run.attempt(1)
    planned = launch.plan(desk.store, run.run_id, 1, job, look_for(desk.provider, job).candidates)
    attempt.write_once("intent.json", planned.intent.model_copy(update={"time": now}))
    pod = desk.provider.launch(replace(planned.requests[0], command=SLEEP))
    if claimed:
        claim = Claim(launch_id=planned.intent.launch_id, pod_id=pod.id, price_per_hour=price, time=now)
        attempt.write_once("claim.json", claim)
        beat(run)
    return run


def beat(run: Run) -> None:
    run.attempt(1).write("alive.json", Beat(state="training", time=time.time()))


def look(desk: Any, run: Run, provider: Any = None, act: bool = True) -> Report:
    clock = StoreClock(desk.store, run.run_id)
    return look_after(run, provider or desk.provider, clock, act, lambda said: None)


def lives(desk: Any, run: Run) -> bool:
    return bool(desk.provider.find(run.run_id))


def decisions(run: Run) -> list[dict[str, Any]]:
    return [event for event in run.attempt(1).events() if event["what"] == "decided"]


class Unsteady:
    """The real provider behind a connection that fails whenever it is told to."""

    def __init__(self, provider: Any) -> None:
        self.provider, self.name, self.settle_seconds = provider, provider.name, provider.settle_seconds
        self.answers: Iterator[bool] = iter(())

    def find(self, run_id: str | None) -> list[Pod]:
        if not next(self.answers, True):
            raise Transient("503")
        return list(self.provider.find(run_id))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.provider, name)


def test_a_healthy_run_is_left_alone(desk: Any) -> None:
    run = start(desk)
    assert look(desk, run).result == "undecided"
    assert lives(desk, run)


def test_an_agent_that_stays_silent_is_ended_and_billing_is_proven_off(desk: Any) -> None:
    run = start(desk)
    time.sleep(HASTY["agent"] + 0.5)  # the silence itself
    seen = look(desk, run, act=False)
    assert (seen.result, lives(desk, run), decisions(run)) == ("bad", True, []), "--dry-run tells and does nothing"
    report = look(desk, run)
    assert report.finding is not None
    assert (report.result, report.finding.kind) == ("stopped", "agent silent")
    assert not lives(desk, run)
    outcome = run.attempt(1).outcome()
    assert (outcome.outcome, outcome.by) == ("failed", "watchdog")
    (decided,) = decisions(run)
    assert decided["inputs"]["agent_age"] > HASTY["agent"]
    assert decided["inputs"]["pods"][0]["id"] == run.attempt(1).claim().pod_id
    whats = event_names(run.attempt(1))
    assert whats[-2:] == ["ended", "billing off"]


def test_an_agent_that_comes_back_between_two_looks_is_left_alone(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(desk)
    time.sleep(HASTY["agent"] + 0.5)
    monkeypatch.setattr(watchdog.time, "sleep", lambda seconds: beat(run))
    report = look(desk, run)
    assert (report.result, lives(desk, run)) == ("undecided", True)


def test_a_provider_without_an_answer_ends_nothing(desk: Any) -> None:
    run = start(desk)
    time.sleep(HASTY["agent"] + 0.5)
    provider = Unsteady(desk.provider)
    for answers in ([False], [True, False]):  # at the first look, and at the one that was to confirm it
        provider.answers = iter(answers)
        assert look(desk, run, provider).result == "cannot tell"
    assert lives(desk, run)
    assert run.attempt(1).outcome() is None
    assert look(desk, run, provider).result == "stopped"


def test_a_provider_that_falls_silent_at_the_end_confirms_nothing(desk: Any) -> None:
    run = start(desk)
    time.sleep(HASTY["agent"] + 0.5)
    provider = Unsteady(desk.provider)
    provider.answers = iter([True] * 5 + [False] * 20)
    assert look(desk, run, provider).result == "not confirmed"
    assert run.attempt(1).outcome() is None
    provider.answers = iter(())
    desk.wait_for(lambda: look(desk, run, provider).result == "stopped")
    assert run.attempt(1).outcome() is not None


def test_a_store_without_an_answer_ends_nothing(desk: Any) -> None:
    run = start(desk)
    time.sleep(HASTY["agent"] + 0.5)
    root = desk.folder / "home" / "store"
    away = root.with_name("away")
    root.rename(away)
    root.touch()  # a file in its place: every call fails
    for words in ([run.run_id], ["--all"]):
        assert desk.command("abort-on-bad-signs", *words).returncode == 3
    root.unlink()
    assert desk.command("abort-on-bad-signs", "--all").returncode == 0, "an empty store is no reason to end a pod"
    for path in root.rglob("*"):
        assert "watchdog" in str(path)
    assert lives(desk, run)


def test_a_spent_budget_ends_a_run_whose_agent_is_dead(desk: Any) -> None:
    run = start(desk, price=3600.0, max_cost=3.0, watch={})
    assert look(desk, run).result == "undecided"
    desk.wait_for(lambda: look(desk, run).result == "stopped")
    outcome = run.attempt(1).outcome()
    assert (outcome.outcome, lives(desk, run)) == ("expired", False)
    ended = next(event for event in run.attempt(1).events() if event["what"] == "ended")
    assert ended["money"]["cost"]["usd"] >= 3.0
    assert ended["money"]["saved"]["usd"] is None
    assert "planned" in ended["money"]["saved"]["basis"] or "plans" in ended["money"]["saved"]["basis"]


def test_the_deadline_ends_a_run_whose_agent_is_dead(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_reasons, "AGENT_SECONDS", 0.5)
    run = start(desk, max_hours=1 / 3600, watch={})
    desk.wait_for(lambda: look(desk, run).result == "stopped")
    assert run.attempt(1).outcome().outcome == "expired"
    assert not lives(desk, run)


def test_an_unclaimed_pod_is_ended_once_it_is_old_enough(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(desk, claimed=False)
    assert look(desk, run).result == "undecided"
    monkeypatch.setattr(end_reasons, "UNCLAIMED_SECONDS", 1.0)
    time.sleep(1.1)
    report = look(desk, run)
    assert report.finding is not None
    assert (report.result, report.finding.kind) == ("stopped", "unclaimed")
    assert not lives(desk, run)
    assert len(decisions(run)) == 1


def test_a_second_pod_is_ended_and_the_claimed_one_goes_on(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_reasons, "UNCLAIMED_SECONDS", 0.0)
    run = start(desk)
    mine = run.attempt(1).claim().pod_id
    desk.provider.launch(LaunchRequest("second", run.run_id, 1, "other", SLEEP, {}))
    assert look(desk, run).result == "stopped"
    assert [pod.id for pod in desk.provider.find(run.run_id)] == [mine]
    assert run.attempt(1).outcome() is None


def test_a_pod_that_outlives_its_outcome_is_ended(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(desk)
    ended = Outcome(outcome="succeeded", reason="done", by="agent", time=time.time())
    run.attempt(1).write_once("outcome.json", ended)
    assert look(desk, run).result == "undecided", "it may be about to end itself"
    monkeypatch.setattr(end_reasons, "AGENT_SECONDS", 0.0)
    report = look(desk, run)
    assert report.finding is not None
    assert (report.result, report.finding.kind, lives(desk, run)) == ("stopped", "still billed", False)
    assert run.attempt(1).outcome() == ended


def test_a_pod_that_is_gone_without_an_outcome_gets_one(desk: Any) -> None:
    run = start(desk)
    desk.provider.terminate(run.attempt(1).claim().pod_id)
    report = look(desk, run)
    assert report.finding is not None
    assert (report.result, report.finding.kind) == ("stopped", "lost")
    assert run.attempt(1).outcome().outcome == "failed"


def test_a_run_whose_agent_beats_elsewhere_is_not_lost(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(desk)
    stranger = LocalProvider(desk.folder / "another-home")  # as with another account's key: it lists nothing
    real_sleep = time.sleep

    def a_while_later(seconds: float) -> None:
        real_sleep(0.05)
        beat(run)

    monkeypatch.setattr(time, "sleep", a_while_later)
    assert look(desk, run, stranger).result == "cannot tell"
    with pytest.raises(CannotTellError, match="still beats"):
        resume(run, stranger)
    with pytest.raises(CannotTellError, match="still beats"):
        end(stranger, run.attempt(1), "stop requested", "by hand", "client", lambda said: None)
    assert run.attempt(1).outcome() is None


# All runs.


def test_all_runs_are_looked_after_one_line_each_and_the_worst_is_the_exit_code(desk: Any) -> None:
    dead = start(desk, "dead")
    time.sleep(HASTY["agent"] + 0.5)
    healthy = start(desk, "healthy", watch={**HASTY, "agent": 120})
    over = start(desk, "over")
    desk.provider.terminate(over.attempt(1).claim().pod_id)
    over.attempt(1).write_once("outcome.json", Outcome(outcome="stopped", reason="x", by="client", time=time.time()))
    told = desk.command("abort-on-bad-signs", "--all", "--dry-run")
    assert told.returncode == 20
    assert [line.split(":")[0] for line in told.stdout.splitlines()] == [dead.run_id, healthy.run_id]
    beat(healthy)
    acted = desk.command("abort-on-bad-signs", "--all", "--json")
    reports = {report["run"]: report for report in json.loads(acted.stdout)}
    assert acted.returncode == 21, acted.stdout + acted.stderr
    assert reports[dead.run_id]["exit_code"] == 21
    assert reports[healthy.run_id]["exit_code"] == 10
    assert (lives(desk, dead), lives(desk, healthy)) == (False, True)


def test_a_record_that_cannot_be_read_hides_no_other_run(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECJOB_HOME", str(desk.folder / "home"))
    run = start(desk)
    desk.store.put("runs/broken-20260101-000000-0000/spec.json", b"{")
    reports = {report.run_id: report for report in look_all(desk)}
    assert reports["broken-20260101-000000-0000"].result == "cannot tell"
    assert reports[run.run_id].result == "undecided"


def look_all(desk: Any) -> list[Report]:
    return look_after_all(desk.store, StoreClock(desk.store, "all"), True, lambda said: None)


def test_a_pod_whose_run_the_store_has_lost_is_ended_and_other_stores_pods_are_not(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODECJOB_HOME", str(desk.folder / "home"))
    monkeypatch.setattr(reconcile, "UNCLAIMED_SECONDS", 0.0)
    monkeypatch.setattr(reconcile, "PAUSE_SECONDS", 0.1)
    known = start(desk)
    mark = launch.store_mark(desk.store)
    env = client_part("gone", 1, desk.store.url, 0.0)
    ours = desk.provider.launch(LaunchRequest("ours", "gone-20260101-000000-0000", 1, f"{mark}beef", SLEEP, env))
    other = desk.provider.launch(LaunchRequest("other", "gone-20260101-000000-0001", 1, "00000000beef", SLEEP, env))
    reports = {report.run_id: report.result for report in look_all(desk)}
    assert reports == {known.run_id: "undecided", ours.run_id: "stopped"}
    assert {pod.id for pod in desk.provider.find(None)} == {known.attempt(1).claim().pod_id, other.id}


def test_an_intent_alone_bills_nothing(desk: Any) -> None:
    run = Run(desk.store, "tiny-20260101-000000-0000")
    job = load_spec(desk.spec())
    run.create(Submission(submitted=1.0, dataset="none", spec=job.model_dump(mode="json")))
    assert look(desk, run).result == "undecided"
    run.attempt(1).write_once("intent.json", Intent(launch_id="a", pod_name="b", deadline=9e9, time=1.0))
    assert look(desk, run).result == "undecided"


def test_one_run_or_all_of_them(desk: Any) -> None:
    for words in ([], ["@last", "--all"]):
        done = desk.command("abort-on-bad-signs", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "RUN" in done.stderr
