"""A good run and a bad one on rented pods: the command, the real image and engine, an S3 server, the fake RunPod."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import docker
from fakes.runpod.containers import Containers
from fakes.runpod.desk import Desk
from servers.server import S3Server

EXAMPLES = Path(__file__).parents[2] / "examples"
Codecjob = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def unasked(engine: docker.DockerClient, image: str) -> Iterator[str]:
    """The image under a name whose registry is nowhere, so that no preflight asks the world for it."""
    name = f"127.0.0.1:9/{image}"
    engine.images.get(image).tag(*name.rsplit(":", 1))
    yield name
    engine.images.remove(name)


@pytest.fixture
def codecjob(runpod_desk: Desk, unasked: str, radosgw: S3Server, tmp_path: Path) -> Iterator[Codecjob]:
    """Runs the command as somebody whose bucket is on the S3 server, and whose account is the fake's."""
    runpod_desk.account.runner = Containers(env={"OMP_NUM_THREADS": "1"})
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CODECJOB_"))} | {
        **radosgw.env(),
        "CODECJOB_HOME": str(tmp_path / "home"),
        "CODECJOB_STORE": radosgw.new_url(),
        "CODECJOB_RUNPOD_URL": runpod_desk.server.url,
        "RUNPOD_API_KEY": runpod_desk.account.key,
        "NO_COLOR": "1",
    }

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "job", *words]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)

    def codecjob(*words: str) -> "subprocess.CompletedProcess[str]":
        if words[0] != "submit":
            return run(*words)
        price = () if "max_price_per_hour=2" in words else ("max_price_per_hour=0.3",)
        rented = ("provider=runpod", f"image={unasked}", *price, "access.share_own_key=true")
        rented += ("train.device=cpu",)  # what the fake rents has no GPU, and a run that pays for one must use it
        return run(words[0], words[1], *(word for value in rented for word in ("--set", value)), *words[2:])

    yield codecjob
    for pod in runpod_desk.account.living():
        runpod_desk.provider.terminate(pod.id)


def status(codecjob: Codecjob) -> dict[str, Any]:
    return dict(json.loads(codecjob("status", "@last", "--json").stdout))


def test_a_good_run_whose_launch_got_no_answer_has_one_pod_which_ends_itself(
    codecjob: Codecjob, runpod_desk: Desk
) -> None:
    runpod_desk.fails("POST", "/pods", status=500, after=True)
    done = codecjob("submit", str(EXAMPLES / "quickstart.yaml"), "--yes", "--set", "train.num_epochs=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert runpod_desk.account.key not in done.stdout + done.stderr
    assert "billing off" in done.stdout

    assert runpod_desk.account.living() == []
    (pod,) = runpod_desk.account.pods.values()
    assert ("DELETE", f"/pods/{pod.id}") in runpod_desk.server.api.calls
    assert runpod_desk.account.key not in json.dumps(pod.body)

    shown = status(codecjob)
    assert (shown["state"], shown["billing"], shown["pods"]) == ("succeeded", "off", [])
    assert shown["verdict"]["verdict"] == "good"
    assert 0 < shown["cost_usd"] < 0.1
    assert '"adopted"' in codecjob("events", "@last", "--json").stdout


def test_a_bad_run_is_stopped_at_epoch_1_or_before_and_bills_nothing_any_more(
    codecjob: Codecjob, runpod_desk: Desk
) -> None:
    done = codecjob("submit", str(EXAMPLES / "bad-run.yaml"), "--yes")
    assert done.returncode == 21, done.stdout + done.stderr
    assert "BAD" in done.stdout
    assert "billing off" in done.stdout
    assert runpod_desk.account.living() == []

    shown = status(codecjob)
    assert (shown["state"], shown["billing"], shown["pods"]) == ("aborted", "off", [])
    assert shown["verdict"]["verdict"] == "bad"
    assert shown["epoch"] in (0, 1)


TINY = {
    **{"hidden_dim": 16, "strides": "2,4", "num_quantizers": 2, "codebook_size": 32, "codebook_dim": 4},
    **{"segment_length": 2000, "batch_size": 8, "num_epochs": 1, "device": "cpu"},
}


def test_a_cluster_trains_as_one_pod_and_whoever_follows_ends_it(
    codecjob: Codecjob, runpod_desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    for clip in sorted((EXAMPLES / "telugu" / "clips").glob("*.flac"))[:6]:
        shutil.copy(clip, tmp_path / "clips")
    job = {"name": "two", "data": "clips", "nodes": 2, "train": TINY, "checklist": {"epoch": 9, "min_steps": 0}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    done = codecjob("submit", str(tmp_path / "job.yaml"), "--yes", "--set", "max_price_per_hour=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "terminated cluster:" in done.stdout, done.stdout
    assert runpod_desk.account.living() == []

    shown = status(codecjob)
    assert (shown["state"], shown["billing"], shown["pods"]) == ("succeeded", "off", [])
    assert 0 < shown["cost_usd"] < 0.2
    assert '"still billed"' in codecjob("events", "@last", "--json").stdout, "no node can end the cluster, and says so"
