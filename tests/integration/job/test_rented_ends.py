"""What a user can do about a rented pod when the vendor or the store does not help: the command and the fake RunPod."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from fakes.runpod.desk import Desk
from infra.pods.runpod import RunPodProvider
from job.record.documents import Submission
from job.record.run import Run
from job.run.launch import store_mark
from job.run.pod_env import client_part

IMAGE = "127.0.0.1:9/me/codecjob:1"
RENTED = {"provider": "runpod", "image": IMAGE, "access": {"share_own_key": True}, "max_price_per_hour": 0.5}
ALONE = ("--yes", "--detach", "--unwatched")


@pytest.fixture
def spec(client: Any) -> Path:
    path: Path = client.spec(**RENTED, max_hours=1)
    return path


def test_a_launch_that_was_refused_for_too_many_calls_is_over_and_can_be_resumed(
    client: Any, runpod_desk: Desk, codecjob: Callable[..., Result], spec: Path
) -> None:
    runpod_desk.fails("POST", "/pods", status=429, retry_after=3600)
    refused = codecjob("submit", spec, *ALONE)
    assert refused.exit_code == 3
    assert "RunPod asks for fewer calls (429" in refused.stderr
    (run_id,) = client.store.folders("runs/")
    outcome = Run(client.store, run_id).attempt(1).outcome()
    assert outcome is not None
    assert outcome.reason.startswith("no pod could be had: cannot start")
    shown = json.loads(codecjob("status", run_id, "--json").stdout)
    assert (shown["state"], shown["billing"]) == ("failed", "off")
    assert f"codecjob resume {run_id}" in shown["next"]
    assert codecjob("resume", run_id, *ALONE).exit_code == 0
    (pod,) = runpod_desk.account.living()
    assert pod.body["env"]["CODECJOB_ATTEMPT"] == "2"


def test_a_run_is_stopped_while_its_store_refuses_the_client(
    client: Any, runpod_desk: Desk, codecjob: Callable[..., Result], spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fake tells no account, so that an unlisted pod which has not beaten is in doubt until this is over.
    soon = ("--set", "watch.starting=0.001")
    run = Run(client.store, json.loads(codecjob("submit", spec, *ALONE, "--json", *soon).stdout)["run"])
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "expired")
        unnamed = codecjob("stop", "@last")
        assert unnamed.exit_code == 2
        assert f"write the whole name. The providers list pods of {run.run_id}" in unnamed.stderr
        assert len(runpod_desk.account.living()) == 1

        stopped = codecjob("stop", run.run_id, "--json")
        assert stopped.exit_code == 0, stopped.stderr
        ended = {"run": run.run_id, "outcome": None, "billing": "off", "recorded": False}
        assert json.loads(stopped.stdout) == ended
        assert "the record gives no answer: cannot list runs/" in stopped.stderr
        assert "what its agent had not uploaded is lost" in stopped.stderr
        assert runpod_desk.account.living() == []

        again = codecjob("stop", run.run_id)
        assert again.exit_code == 2, "nothing is listed, and nobody knows why"
        assert f"no provider that answers lists a pod of {run.run_id}" in again.stderr
    assert run.attempt(1).outcome() is None
    assert json.loads(codecjob("status", run.run_id, "--json").stdout)["state"] == "lost"
    assert codecjob("stop", run.run_id).exit_code == 0
    outcome = run.attempt(1).outcome()
    assert outcome is not None
    assert (outcome.outcome, outcome.reason) == ("stopped", "stopped by hand")
    assert codecjob("resume", run.run_id, *ALONE).exit_code == 0


def test_a_provider_that_does_not_confirm_the_end_is_not_believed(
    client: Any, runpod_desk: Desk, codecjob: Callable[..., Result], spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = json.loads(codecjob("submit", spec, *ALONE, "--json").stdout)["run"]
    monkeypatch.setattr("job.run.termination.CONFIRM_SECONDS", 0.0)
    monkeypatch.setattr(RunPodProvider, "terminate", lambda self, pod_id: None)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "expired")
    stopped = codecjob("stop", run_id)
    assert stopped.exit_code == 3
    assert "billing on" in stopped.stdout


def test_a_watchdog_counts_for_the_providers_whose_key_it_has(
    client: Any, runpod_desk: Desk, codecjob: Callable[..., Result], spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # as cron has it, where nobody has told it the key
        patch.delenv("RUNPOD_API_KEY")
        patch.setenv("HOME", str(client.folder))
        assert codecjob("abort-on-bad-signs", "--all").exit_code == 0
    refused = codecjob("submit", spec, "--yes", "--detach")
    assert refused.exit_code == 2
    assert "nobody watches this run" in refused.stderr
    assert codecjob("abort-on-bad-signs", "--all").exit_code == 0
    assert codecjob("submit", spec, "--yes", "--detach").exit_code == 0
    assert len(runpod_desk.account.living()) == 1


def test_an_orphan_is_ended_although_no_run_names_its_provider(
    client: Any, runpod_desk: Desk, codecjob: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job.watch.reconcile.UNCLAIMED_SECONDS", 0.0)
    monkeypatch.setattr("job.watch.reconcile.PAUSE_SECONDS", 0.0)
    other = Submission(submitted=1.0, dataset="none", spec={"name": "speech", "data": "/clips"})
    Run(client.store, "speech-20260101-000000-0000").create(other)
    mark = store_mark(client.store)
    lost = runpod_desk.request(run_id="lost-20260101-000000-0000", launch_id=f"{mark}-1")
    runpod_desk.provider.launch(lost)
    assert codecjob("abort-on-bad-signs", "--all").exit_code == 21
    assert runpod_desk.account.living() == []


def test_a_pod_whose_agent_cannot_start_is_ended_by_its_supervisor(runpod_desk: Desk, tmp_path: Path) -> None:
    pod = runpod_desk.provider.launch(runpod_desk.request())
    rented = runpod_desk.account.pods[pod.id]
    env = {**os.environ, **rented.body["env"], **client_part("a", 1, "gopher://nowhere", time.time() + 600)}
    env |= {"RUNPOD_POD_ID": pod.id, "RUNPOD_API_KEY": rented.key, "CODECJOB_RUNPOD_URL": runpod_desk.server.url}
    words = [sys.executable, "-P", "-m", "job.supervisor"]
    done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "the agent has not ended this pod" in done.stderr
    assert "unknown store gopher://" in done.stderr, "why, for whoever reads the pod's output"
    assert runpod_desk.account.living() == []
