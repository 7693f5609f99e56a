"""Docker pods: what the contract leaves open, and what a user gets to read when something is missing."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import docker
from helpers import wait_until
from infra.pods import (
    InvalidRequest,
    LaunchRequest,
    Machine,
    NoCapacity,
    PodState,
    ProviderError,
    Transient,
    Unauthorised,
    open_provider,
)
from infra.pods.docker import DockerProvider
from servers.engine import BASE_IMAGE, leftovers
from servers.registry import Registry

SLEEP = ("python3", "-c", "import time; time.sleep(600)")


@pytest.fixture
def provider(engine: docker.DockerClient, base_image: str) -> Iterator[DockerProvider]:
    provider = DockerProvider(mark=f"test-{uuid.uuid4().hex}")
    yield provider
    for container in leftovers(engine, provider.mark):
        engine.api.remove_container(container, force=True, v=True)


def ask(*command: str, env: dict[str, str] | None = None, **machine: Any) -> LaunchRequest:
    wanted = Machine(**{"image": BASE_IMAGE, "gpu_count": 0, **machine})
    return LaunchRequest("codecjob-run-a-1", "run-a", 1, uuid.uuid4().hex, command or SLEEP, env or {}, wanted)


def exited(engine: docker.DockerClient, pod_id: str) -> bool:
    return str(engine.containers.get(pod_id).attrs["State"]["Status"]) == "exited"


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    said = str(error.value)
    assert said
    assert "\n" not in said
    return said


def test_a_pod_that_ended_well_leaves_nothing(engine: docker.DockerClient, provider: DockerProvider) -> None:
    pod = provider.launch(ask("python3", "-c", "open('big', 'wb').write(bytes(100))"))
    wait_until(lambda: exited(engine, pod.id))
    (volume,) = (mount["Name"] for mount in engine.containers.get(pod.id).attrs["Mounts"])
    assert provider.find("run-a") == []
    assert leftovers(engine, provider.mark) == []
    assert volume not in [each.name for each in engine.volumes.list()]


def test_a_pod_that_failed_is_not_listed_and_keeps_its_output(
    engine: docker.DockerClient, provider: DockerProvider
) -> None:
    pod = provider.launch(ask("python3", "-c", "import sys; sys.exit('no such module')"))
    wait_until(lambda: exited(engine, pod.id))
    assert provider.find("run-a") == []
    assert b"no such module" in b"".join(provider.logs(pod.id))
    provider.terminate(pod.id)
    assert leftovers(engine, provider.mark) == []
    assert list(provider.logs(pod.id)) == []


def test_what_a_failed_pod_printed_is_not_kept_for_ever(
    engine: docker.DockerClient, provider: DockerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = provider.launch(ask("python3", "-c", "import sys; sys.exit(1)"))
    wait_until(lambda: exited(engine, pod.id))
    monkeypatch.setattr("infra.pods.docker.KEEP_SECONDS", -60.0)
    assert provider.find(None) == []
    assert leftovers(engine, provider.mark) == []


def test_a_pod_cannot_end_itself_by_the_engine_and_does_not_try(
    provider: DockerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = provider.launch(ask())
    monkeypatch.setenv("CODECJOB_PROVIDER", "docker")
    monkeypatch.setenv("CODECJOB_POD_ID", pod.id)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody")
    open_provider("docker").terminate(pod.id)  # as the agent calls it, before it exits
    monkeypatch.undo()
    assert [each.id for each in provider.find("run-a")] == [pod.id]


def test_a_container_that_was_never_started_is_listed(engine: docker.DockerClient, provider: DockerProvider) -> None:
    """What a client leaves that dies between create and start."""
    pod = provider.launch(ask())
    name = f"{pod.id}-created"
    labels = {**engine.containers.get(pod.id).labels, "codecjob.pod": name}
    created = engine.containers.create(BASE_IMAGE, list(SLEEP), name=name, labels=labels)
    provider.terminate(pod.id)
    (found,) = provider.find("run-a")
    assert (found.id, found.state, found.uptime) == (created.name, PodState.STARTING, 0.0)
    provider.terminate(found.id)
    assert provider.find("run-a") == []


def test_a_strangers_container_is_left_alone(engine: docker.DockerClient, provider: DockerProvider) -> None:
    stranger = engine.containers.create(BASE_IMAGE, list(SLEEP), name=f"stranger-{uuid.uuid4().hex}")
    try:
        assert provider.find(None) == []
        with pytest.raises(InvalidRequest, match="is no pod of codecjob") as error:
            provider.terminate(stranger.name or "")
        one_line(error)
        engine.containers.get(stranger.id or "")
    finally:
        stranger.remove(force=True)


def test_the_machine_becomes_the_containers_limits(engine: docker.DockerClient, provider: DockerProvider) -> None:
    pod = provider.launch(ask(cpus=0.5, memory_gb=0.25, network="host"))
    attributes = engine.containers.get(pod.id).attrs
    host = attributes["HostConfig"]
    assert "OMP_NUM_THREADS=1" in attributes["Config"]["Env"]
    assert (host["NanoCpus"], host["Memory"], host["ShmSize"]) == (500_000_000, 250_000_000, 125_000_000)
    assert host["NetworkMode"] == "host"
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert not host["Privileged"]


def test_a_folder_is_shared_at_its_own_path_with_its_owner(provider: DockerProvider, tmp_path: Path) -> None:
    script = "import os, sys; print(os.getuid()); open(sys.argv[1] + '/written', 'w').write('by the pod')"
    tmp_path.chmod(0o755)
    request = ask("python3", "-c", script, str(tmp_path), mounts=(str(tmp_path),))
    provider.launch(request)
    written = tmp_path / "written"
    wait_until(lambda: written.exists() and written.read_text() == "by the pod")
    assert written.stat().st_uid == tmp_path.stat().st_uid


def test_a_named_volume_outlives_its_pod(engine: docker.DockerClient, provider: DockerProvider) -> None:
    name = f"codecjob-test-{uuid.uuid4().hex}"
    try:
        pod = provider.launch(ask(network_volume=name))
        provider.terminate(pod.id)
        assert engine.volumes.get(name).name == name
    finally:
        engine.volumes.get(name).remove()


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ({"gpu_count": 1}, "no GPU for containers"),
        ({"cpus": 10_000}, "lower pod.cpus"),
        ({"memory_gb": 1e6}, "lower pod.memory_gb"),
    ],
)
def test_what_the_engine_does_not_have(provider: DockerProvider, machine: dict[str, Any], said: str) -> None:
    if "nvidia" in provider._info()["Runtimes"] and "gpu_count" in machine:
        pytest.skip("needs an engine without a GPU")
    with pytest.raises(NoCapacity, match=said) as error:
        provider.launch(ask(**machine))
    one_line(error)


MEET = """
import os, socket, time
print(*[os.environ[name] for name in ("NUM_NODES", "NODE_RANK", "MASTER_PORT")], flush=True)
place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if os.environ["NODE_RANK"] == "0":
    socket.create_server(("", place[1])).accept()
while os.environ["NODE_RANK"] == "1":
    try:
        socket.create_connection(place)
        break
    except OSError:
        time.sleep(0.05)
"""


def test_nodes_meet_on_a_network_of_their_own_and_are_one_pod(
    engine: docker.DockerClient, provider: DockerProvider
) -> None:
    pod = provider.launch(ask("python3", "-c", MEET + "time.sleep(600)", nodes=2))
    assert [(each.id, each.state, each.launch_id, each.enter) for each in provider.find(None)] == [
        (pod.id, PodState.RUNNING, pod.launch_id, f"docker exec -it {pod.id} sh")
    ]
    wait_until(lambda: sorted(b"".join(provider.logs(pod.id)).split(b"\n")[::2]) == [b"2 0 29500", b"2 1 29500"])
    second = engine.containers.get(f"{pod.id}-node1")
    assert [*second.attrs["NetworkSettings"]["Networks"]] == [pod.id]
    second.kill()
    wait_until(lambda: exited(engine, f"{pod.id}-node1"))
    assert [each.id for each in provider.find("run-a")] == [pod.id], "a node lives"
    provider.terminate(pod.id)
    provider.terminate(pod.id)
    assert provider.find(None) == []
    assert leftovers(engine, provider.mark) == []
    assert engine.networks.list(names=[pod.id]) == []


def test_nodes_that_ended_leave_nothing_if_the_first_ended_well(
    engine: docker.DockerClient, provider: DockerProvider
) -> None:
    pod = provider.launch(ask("python3", "-c", MEET + "raise SystemExit(int(os.environ['NODE_RANK']))", nodes=2))
    wait_until(lambda: all(exited(engine, name) for name in (pod.id, f"{pod.id}-node1")))
    assert provider.find(None) == []
    assert leftovers(engine, provider.mark) == []
    assert engine.networks.list(names=[pod.id]) == []


@pytest.mark.parametrize("left", ["a container", "a network"])
def test_nodes_that_cannot_all_be_made_leave_nothing(
    engine: docker.DockerClient, provider: DockerProvider, left: str
) -> None:
    request = ask(nodes=2)
    pod_id = f"{request.name}-{request.launch_id[-18:]}"
    taken = engine.containers.create(BASE_IMAGE, list(SLEEP), name=f"{pod_id}-node1") if left == "a container" else None
    wrong = ask("no-such-program", nodes=2)
    try:
        with pytest.raises(Transient if taken else InvalidRequest):
            provider.launch(request if taken else wrong)
    finally:
        if taken:
            taken.remove(force=True)
    assert leftovers(engine, provider.mark) == []
    assert engine.networks.list(filters={"label": f"codecjob.mark={provider.mark}"}) == []


def test_nodes_have_a_network_of_their_own(provider: DockerProvider) -> None:
    with pytest.raises(InvalidRequest, match=r"pod\.network: host, .*leave it out") as error:
        provider.launch(ask(nodes=2, network="host"))
    one_line(error)


def test_a_program_that_the_image_lacks_leaves_no_container(
    engine: docker.DockerClient, provider: DockerProvider
) -> None:
    with pytest.raises(InvalidRequest, match="no-such-program") as error:
        provider.launch(ask("no-such-program"))
    one_line(error)
    assert leftovers(engine, provider.mark) == []


def test_a_network_that_does_not_exist(engine: docker.DockerClient, provider: DockerProvider) -> None:
    with pytest.raises(InvalidRequest, match="no-such-network") as error:
        provider.launch(ask(network="no-such-network"))
    one_line(error)
    assert leftovers(engine, provider.mark) == []


@pytest.mark.parametrize("host", ["unix:///nobody/listens.sock", "tcp://127.0.0.1:9"])
def test_an_engine_that_is_not_there_proves_nothing(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    provider = DockerProvider()
    for call in (
        provider.offers,
        lambda: provider.find(None),
        lambda: provider.terminate("x"),
        lambda: provider.launch(ask()),
    ):
        with pytest.raises(Transient, match="no Docker engine answers at") as error:
            call()
        assert host in one_line(error)


def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "nonsense://x")
    with pytest.raises(ProviderError, match="DOCKER_HOST") as error:
        DockerProvider().find(None)
    one_line(error)


def test_a_remote_engine_cannot_share_a_folder(
    provider: DockerProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.offers()  # connected
    monkeypatch.setenv("DOCKER_HOST", "ssh://gpu.example")
    with pytest.raises(InvalidRequest, match="store: s3://") as error:
        provider.launch(ask(mounts=(str(tmp_path),)))
    one_line(error)


def test_an_image_that_no_registry_has(
    provider: DockerProvider, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(registry.login(tmp_path)))
    with pytest.raises(InvalidRequest, match="there is no such image") as error:
        provider.launch(ask(image=f"{registry.host}/no/such:1"))
    one_line(error)


def test_a_private_image_without_a_credential(
    provider: DockerProvider, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(Unauthorised, match=f"docker login {registry.host}") as error:
        provider.launch(ask(image=f"{registry.host}/private:1"))
    one_line(error)
