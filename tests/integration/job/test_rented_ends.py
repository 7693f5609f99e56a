"""What a user can do about a rented pod when the vendor or the store does not help: the command and the fake RunPod."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from fakes.runpod.desk import Desk
from job.record import Run

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
