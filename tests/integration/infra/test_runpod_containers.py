"""The fake's pods as real containers: what a process in a pod finds, and how it ends its pod."""

import sys
import time
from dataclasses import replace

import pytest

import docker
from fakes.runpod.containers import ROOT, Containers, host_python
from fakes.runpod.desk import Desk
from helpers import wait_until
from infra.pods import PodState

INSIDE = """
import os
from infra.pods import open_provider
from job.run.pod_env import PodEnv
env = PodEnv.read({**os.environ, "CODECJOB_STORE": "s3://b/c", "CODECJOB_DEADLINE": "0"})
print(env.pod_id, env.provider, env.run_id, env.attempt, env.workspace, flush=True)
open_provider(env.provider).terminate(env.pod_id)
"""


@pytest.fixture
def desk(runpod_desk: Desk, docker_client: docker.DockerClient, bare_image: str) -> Desk:
    runpod_desk.account.runner = Containers(host_python(), workdir="/workspace", client=docker_client)
    return runpod_desk


def launch(desk: Desk, image: str, script: str) -> str:
    request = desk.request()
    machine = replace(request.machine, image=image)
    command = (sys.executable, "-c", script)
    return desk.provider.launch(replace(request, machine=machine, command=command)).id


def test_a_pod_ends_itself_with_its_own_key_and_nothing_else(desk: Desk, bare_image: str) -> None:
    pod_id = launch(desk, bare_image, f"import sys; sys.path.insert(0, {str(ROOT)!r})" + INSIDE)
    wait_until(lambda: desk.provider.find("a") == [])
    assert desk.account.pods[pod_id].terminated is not None
    assert ("DELETE", f"/pods/{pod_id}") in desk.server.api.calls


def test_a_container_whose_process_ends_is_started_again_with_an_empty_workspace(desk: Desk, bare_image: str) -> None:
    script = "import os; print(sorted(os.listdir()), flush=True); open('left', 'w')"
    pod_id = launch(desk, bare_image, script)
    wait_until(lambda: len(desk.account.runner.lines(desk.account.pods[pod_id])) >= 3)
    assert {line for _, line in desk.account.runner.lines(desk.account.pods[pod_id])} == {"[]"}
    assert [pod.state for pod in desk.provider.find("a")] == [PodState.RUNNING]


def test_an_image_that_does_not_exist_is_a_pod_that_does_not_start(desk: Desk) -> None:
    launch(desk, "codecjob-test-missing:1", "")
    time.sleep(0.3)
    (pod,) = desk.provider.find("a")
    assert (pod.state, pod.uptime) == (PodState.STARTING, 0)
