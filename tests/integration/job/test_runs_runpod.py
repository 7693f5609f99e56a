"""Whole runs on the fake of RunPod: the real command, an S3 server, real containers, and the pod's own key."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import docker
from fakes.runpod.containers import ROOT, Containers, host_python
from fakes.runpod.desk import Desk
from infra.store import open_store
from servers.server import S3Server, use


@pytest.fixture
def rented(
    desk: Any,
    runpod_desk: Desk,
    docker_client: docker.DockerClient,
    bare_image: str,
    radosgw: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """A desk whose pods are rented: containers that have this machine's Python for an image."""
    brought = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    runpod_desk.account.runner = Containers(host_python(), workdir="/workspace", env=brought, client=docker_client)
    use(radosgw, monkeypatch)
    url = open_store(radosgw.new_url()).url
    desk.store = open_store(url)
    desk.env = {name: value for name, value in desk.env.items() if not name.startswith("AWS_")}
    desk.env |= {
        **radosgw.env(),
        "CODECJOB_STORE": url,
        "CODECJOB_RUNPOD_URL": runpod_desk.server.url,
        "RUNPOD_API_KEY": runpod_desk.account.key,
    }
    here = desk.provider
    desk.provider = runpod_desk.provider
    yield desk
    desk.provider = here


def spec(desk: Any, image: str, **changes: Any) -> Path:
    rented = {"provider": "runpod", "image": image, "access": {"share_own_key": True}, "max_price_per_hour": 0.3}
    path: Path = desk.spec(**rented, **changes)
    return path


def test_a_run_whose_launch_got_no_answer_has_one_pod_which_ends_itself(
    rented: Any, runpod_desk: Desk, bare_image: str
) -> None:
    runpod_desk.fails("POST", "/pods", skip=1, status=500, after=True)  # the first is refused for its `cmd`
    done = rented.command("submit", spec(rented, bare_image, train={"num_epochs": 1}), timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert runpod_desk.account.key not in done.stdout + done.stderr
    assert runpod_desk.account.living() == []
    (pod,) = runpod_desk.account.pods.values()
    assert ("DELETE", f"/pods/{pod.id}") in runpod_desk.server.api.calls
    assert pod.body["gpu"]["id"] == "NVIDIA RTX A4000"
    assert runpod_desk.account.key not in json.dumps(pod.body)

    shown = json.loads(rented.command("status", "@last", "--json").stdout)
    assert (shown["state"], shown["billing"], shown["pods"]) == ("succeeded", "off", [])
    assert 0 < shown["cost_usd"] < 0.1
    assert '"adopted"' in rented.command("events", "@last", "--json").stdout
