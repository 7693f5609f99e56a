"""What every provider promises. A new provider joins by one more parameter of the fixture `provider`."""

import json
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.runpod.containers import Containers, host_python
from fakes.runpod.desk import OFFER
from fakes.runpod.fixtures import BARE_IMAGE
from helpers import wait_until
from infra.pods import LaunchRequest, Machine, Pod, PodState, Provider, runpod_logs
from infra.pods.docker import DockerProvider
from infra.pods.local import LocalProvider
from infra.pods.runpod import RunPodProvider
from infra.pods.runpod_client import Client
from servers.engine import BASE_IMAGE

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


MACHINE = Machine(image=BARE_IMAGE)


@pytest.fixture(params=["local", "docker", "runpod"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Provider]:
    if request.param == "local":
        provider: Provider = LocalProvider(tmp_path / "home")
    else:
        provider = docker(request) if request.param == "docker" else runpod(request)
    yield provider
    for pod in provider.find(None):
        provider.terminate(pod.id)
    assert provider.find(None) == []


class OnBaseImage(DockerProvider):
    """Its pods run the Python of the tests' image."""

    def launch(self, request: LaunchRequest) -> Pod:
        command = ("python3", *request.command[1:])
        return super().launch(replace(request, command=command, machine=Machine(image=BASE_IMAGE, gpu_count=0)))


def docker(request: pytest.FixtureRequest) -> Provider:
    """Docker's provider, with containers that no other test lists."""
    request.getfixturevalue("base_image")
    return OnBaseImage(mark=f"test-{uuid.uuid4().hex}")


def runpod(request: pytest.FixtureRequest) -> Provider:
    """RunPod's provider before the fake, whose pods are containers that see this machine's Python."""
    request.getfixturevalue("bare_image")
    account = request.getfixturevalue("runpod_account")
    account.runner = Containers(host_python(), workdir="/workspace", client=request.getfixturevalue("docker_client"))
    server = request.getfixturevalue("runpod_server")
    request.getfixturevalue("monkeypatch").setattr(runpod_logs, "SILENCE_SECONDS", 2.0)
    return RunPodProvider(Client(server.url, account.key))


def request_for(run_id: str, command: tuple[str, ...] = SLEEP, **env: str) -> LaunchRequest:
    return LaunchRequest(f"codecjob-{run_id}-1", run_id, 1, uuid.uuid4().hex, command, env, MACHINE)


def test_a_preview_shows_the_command_and_sends_nothing(provider: Provider) -> None:
    request = request_for("run-a", ("python3", "-c", "a b"), TOKEN="(hidden)")
    request = replace(request, offer=OFFER if provider.name == "runpod" else None)
    shown = json.dumps(provider.preview(request))
    assert json.dumps(["python3", "-c", "a b"]) in shown
    assert "TOKEN" in shown
    assert provider.find(None) == []


def test_a_launched_pod_is_listed_as_it_was_asked_for(provider: Provider) -> None:
    request = request_for("run-a")
    before = time.time()
    pod = provider.launch(request)
    assert (pod.name, pod.run_id, pod.attempt, pod.launch_id) == ("codecjob-run-a-1", "run-a", 1, request.launch_id)
    assert pod.created is not None
    assert before - 5 <= pod.created <= time.time() + 5

    wait_until(lambda: [found.state for found in provider.find("run-a")] == [PodState.RUNNING])
    (found,) = provider.find("run-a")
    assert (found.id, found.name, found.launch_id) == (pod.id, pod.name, pod.launch_id)


def test_find_tells_runs_apart(provider: Provider) -> None:
    pods = [provider.launch(request_for(run_id)) for run_id in ("run-a", "run-b", "run-a")]
    assert [pod.id for pod in provider.find("run-a")] == [pods[0].id, pods[2].id]
    assert [pod.id for pod in provider.find(None)] == [pod.id for pod in pods]
    assert provider.find("run-c") == []


def test_terminate_ends_one_pod_and_is_silent_afterwards(provider: Provider) -> None:
    pod, other = provider.launch(request_for("run-a")), provider.launch(request_for("run-a"))
    provider.terminate(pod.id)
    wait_until(lambda: [found.id for found in provider.find("run-a")] == [other.id])
    provider.terminate(pod.id)
    assert [found.id for found in provider.find("run-a")] == [other.id]


def test_the_pod_finds_its_environment_and_its_output_is_kept(provider: Provider) -> None:
    names = ["EXTRA", "CODECJOB_LAUNCH_ID", "CODECJOB_PROVIDER"]
    script = (
        "import os, sys, time\n"
        f"for name in {names}: print(os.environ[name], flush=True)\n"
        "print(os.environ.get('CODECJOB_POD_ID') or os.environ['RUNPOD_POD_ID'], flush=True)\n"
        "print(os.path.samefile(os.environ['CODECJOB_WORKSPACE'], os.getcwd()), flush=True)\n"
        "print('end', file=sys.stderr)\n"
        "time.sleep(600)\n"  # RunPod starts a container again that ends
    )
    request = request_for("run-a", (sys.executable, "-c", script), EXTRA="one two")
    pod = provider.launch(request)
    wait_until(lambda: b"".join(provider.logs(pod.id)).count(b"\n") == 6)
    printed = sorted(b"".join(provider.logs(pod.id)).decode().splitlines())
    assert printed == sorted(["one two", pod.id, request.launch_id, provider.name, "True", "end"])


def test_a_terminated_pod_has_no_output(provider: Provider) -> None:
    pod = provider.launch(request_for("run-a"))
    provider.terminate(pod.id)
    assert list(provider.logs(pod.id)) == []


def test_offers_name_the_provider(provider: Provider) -> None:
    offers = provider.offers()
    assert {offer.provider for offer in offers} == {provider.name}
    assert [offer.price_per_hour for offer in offers] == sorted(offer.price_per_hour for offer in offers)


def test_secrets_do_not_show_in_a_printed_request() -> None:
    assert "hidden" not in repr(request_for("run-a", TOKEN="hidden"))
