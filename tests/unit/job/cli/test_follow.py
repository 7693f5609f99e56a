"""Who follows a run also changes a machine that never begins to run."""

import time
from dataclasses import replace
from typing import Any

import pytest

from infra.pods import NoCapacity, Pod, PodState
from infra.store import AccessDenied, Unavailable, open_store
from job.cli import follow
from job.record.documents import Beat, Claim, Intent, Outcome, Submission
from job.record.run import Run
from job.run import state
from job.watch.end_reasons import AGENT_SECONDS


class Stuck:
    """Lists one pod whose container has not begun, until that is ended; has nothing else to offer."""

    name, settle_seconds = "p", 0.0

    def __init__(self, run_id: str) -> None:
        self.pods = [Pod("pod-1", "x", run_id, 1, "launch-1", PodState.STARTING, 0.4, time.time() - 1000, 0.0, "EU-1")]

    def offers(self, machine: Any = None) -> list[Any]:
        raise NoCapacity("nothing is free")

    def find(self, run_id: str | None) -> list[Pod]:
        return list(self.pods)

    def terminate(self, pod_id: str) -> None:
        self.pods = []

    def logs(self, pod_id: str) -> list[bytes]:
        return []


def test_a_stuck_machine_is_ended_and_trouble_with_the_next_is_only_said(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(open_store(str(tmp_path)), "speech-20250102-030405-00ff")
    spec = {"name": "speech", "data": "/clips", "provider": "docker", "image": "me/codec:1"}
    run.create(Submission(submitted=1.0, dataset="0123456789abcdef", spec=spec))
    claim = Claim(launch_id="launch-1", pod_id="pod-1", price_per_hour=0.4, time=time.time() - 1000)
    run.attempt(1).write_once("claim.json", claim)
    provider: Any = Stuck(run.run_id)
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(follow, "WATCH_SECONDS", 0.0)
    assert follow.follow(run, provider) == 1
    outcome = run.attempt(1).outcome()
    assert outcome is not None
    assert outcome.reason.startswith("stuck start: pod pod-1 in EU-1 has not begun to run in 10")
    assert provider.pods == []
    assert "no other can be had: nothing is free; later: `codecjob resume" in capsys.readouterr().out


def test_a_stuck_machine_that_begins_to_run_between_two_looks_is_kept(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(open_store(str(tmp_path)), "speech-20250102-030405-00ff")
    spec: Any = {"name": "speech", "data": "/clips", "provider": "docker", "image": "me/codec:1"}
    run.create(Submission(submitted=1.0, dataset="d", spec=spec))
    claim = Claim(launch_id="launch-1", pod_id="pod-1", price_per_hour=0.4, time=time.time() - 1000)
    run.attempt(1).write_once("claim.json", claim)
    provider: Any = Stuck(run.run_id)
    stuck, running = provider.pods, [replace(provider.pods[0], uptime=1.0)]
    answers = iter([stuck, stuck, running])  # drawn, found, looked at again

    def find(run_id: str | None) -> list[Pod]:
        pods = next(answers, None)
        if pods is None:
            raise KeyboardInterrupt
        return list(pods)

    provider.find = find
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(follow, "WATCH_SECONDS", 0.0)
    follow.follow(run, provider)
    assert (run.attempt(1).events(), run.attempt(1).stop_request()) == ([], None)


def test_who_follows_goes_on_when_the_stores_credentials_have_expired(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(open_store(str(tmp_path)), "speech-20250102-030405-00ff")
    run.create(Submission(submitted=1.0, dataset="0123456789abcdef", spec={"name": "speech", "data": "/clips"}))
    run.attempt(1).write_once("outcome.json", Outcome(outcome="succeeded", reason="done", by="agent", time=1.0))
    provider: Any = Stuck(run.run_id)
    provider.pods = []
    looks = iter([AccessDenied("the session has expired")])

    def look(*given: Any, **named: Any) -> Any:
        for trouble in looks:
            raise trouble
        return state.look(*given, **named)

    monkeypatch.setattr(follow, "look", look)
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.0)
    assert follow.follow(run, provider) == 0
    assert "the session has expired" in capsys.readouterr().out


@pytest.mark.parametrize("late", [False, True])
def test_who_follows_keeps_the_deadline_while_the_store_is_away(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    run = Run(open_store(str(tmp_path)), "speech-20250102-030405-00ff")
    run.create(Submission(submitted=1.0, dataset="0123456789abcdef", spec={"name": "speech", "data": "/clips"}))
    deadline = time.time() - AGENT_SECONDS + (-1 if late else 100)
    intent = Intent(launch_id="launch", pod_name="x", deadline=deadline, time=deadline - 3600)
    run.attempt(1).write_once("intent.json", intent)
    run.attempt(1).write("alive.json", Beat(state="training", time=time.time()))
    provider: Any = Stuck(run.run_id)
    provider.pods.append(replace(provider.pods[0], id="pod-2", attempt=2))
    ended: list[str] = []
    provider.terminate = ended.append
    monkeypatch.setattr("job.run.termination.CONFIRM_SECONDS", 0.0)
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.0)
    looks = iter([None, Unavailable("the store is away"), KeyboardInterrupt()])

    def look(*given: Any, **named: Any) -> Any:
        trouble = next(looks)
        if trouble is not None:
            raise trouble
        return state.look(*given, **named)

    monkeypatch.setattr(follow, "look", look)
    follow.follow(run, provider)
    assert ended == (["pod-1"] if late else [])
