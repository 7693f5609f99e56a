"""Pods that are containers of a Docker engine: this machine's, or the one that $DOCKER_HOST names."""

from __future__ import annotations

import os
import re
import time
from calendar import timegm
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import LogConfig, Mount

import docker
from infra import engine
from infra.pods import docker_nodes
from infra.pods.base import (
    ANY_MACHINE,
    LAUNCH_ID_VARIABLE,
    POD_ID_VARIABLE,
    PROVIDER_VARIABLE,
    WORKSPACE_VARIABLE,
    InvalidRequest,
    LaunchRequest,
    Machine,
    NoCapacity,
    Offer,
    Pod,
    PodState,
    ProviderError,
    Transient,
    Unauthorised,
)

WORKSPACE = "/workspace"
# How long the container of a pod that failed is kept for what it printed.
KEEP_SECONDS = 7 * 24 * 3600.0
GB = 10**9
LOG_OPTIONS = {"max-size": "20m", "max-file": "3"}


class DockerProvider:
    """Pods as containers, known by their labels.

    A pod is listed until its processes have ended: an engine of one's own bills nothing. What has ended well is removed
    at the next look; the container of a pod that failed stays, for its log, until `terminate` or for a week. Containers
    are never restarted by the engine: a pod that exits is over. Several nodes are as many containers in a network of
    their own, listed and ended together. See `infra.pods.base.Provider` for the promises.
    """

    name = "docker"
    settle_seconds = 0.0

    def __init__(self, mark: str = "codecjob") -> None:
        """Containers of another mark are somebody else's: never listed, never touched."""
        self.mark = mark

    @cached_property
    def _client(self) -> docker.DockerClient:
        with _translated():
            return engine.connect()

    def account(self) -> str | None:
        """See `TellsAccount.account`: the engine, and the mark of its pods."""
        engine_id = self._info().get("ID")
        return f"{engine_id}:{self.mark}" if engine_id else None

    def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
        """See `Provider.offers`: the engine's machine, with a GPU where the engine can give one to a container."""
        return [Offer(self.name, "GPU of the Docker engine" if _has_gpu(self._info()) else "", 0.0, available=True)]

    def preview(self, request: LaunchRequest) -> dict[str, Any]:
        """See `Provider.preview`: the containers to create; of their environment the names."""
        docker_nodes.check(request)
        pod_id, machine = _pod_id(request), request.machine
        containers = [
            {
                "name": docker_nodes.container_name(pod_id, rank),
                "image": machine.image,
                "command": list(request.command),
                "environment": sorted(_environment(request, rank, pod_id)),
            }
            for rank in range(machine.nodes)
        ]
        limits = {"gpus": machine.gpu_count, "cpus": machine.cpus, "memory_gb": machine.memory_gb}
        return {"engine": engine.host(), "containers": containers, **limits, "mounts": list(machine.mounts)}

    def launch(self, request: LaunchRequest) -> Pod:
        """See `Provider.launch`. An image that the engine lacks is pulled first: only then does it take its time."""
        if not request.command:
            raise InvalidRequest(f"pod {request.name}: the command is empty; name a program to run")
        docker_nodes.check(request)
        info = self._info()
        _check_limits(request.machine, info)
        _check_mounts(request.machine, info)
        self._need_image(request.machine.image)
        pod_id = _pod_id(request)
        labels = {
            "codecjob.mark": self.mark,
            "codecjob.pod": pod_id,
            "codecjob.name": request.name,
            "codecjob.run": request.run_id,
            "codecjob.attempt": str(request.attempt),
            "codecjob.launch": request.launch_id,
            "codecjob.created": f"{time.time():.3f}",
        }
        created: list[Container] = []
        with _translated():
            try:
                if request.machine.nodes > 1:
                    docker_nodes.make_network(self._client, pod_id, labels)
                for rank in range(request.machine.nodes):
                    created.append(self._create(request, rank, labels, info))
            except APIError as error:
                self._remove_all(created, pod_id)
                if error.status_code == 409 or error.is_server_error():  # a container may exist
                    raise
                raise _refusal(request, error) from error
            try:
                for container in created:
                    container.start()
            except APIError as error:
                self._remove_all(created, pod_id)
                raise _refusal(request, error) from error
        return _pod(labels, PodState.RUNNING)

    def find(self, run_id: str | None) -> list[Pod]:
        """See `Provider.find`. Finishes what pods have begun that ended themselves: removes their containers."""
        pods = []
        for pod_id, members in docker_nodes.by_pod(self._summaries("run", run_id)).items():
            state = docker_nodes.state_of(members)
            if state is None:
                self._remove_if_done(pod_id, [summary["Id"] for summary in members])
            else:
                pods.append(_pod(members[0]["Labels"], state))
        return sorted(pods, key=lambda pod: (pod.created or 0.0, pod.id))

    def terminate(self, pod_id: str) -> None:
        """See `Provider.terminate`. From inside it does nothing: a pod cannot reach the engine, and ends by exiting."""
        if (os.environ.get(PROVIDER_VARIABLE), os.environ.get(POD_ID_VARIABLE)) == (self.name, pod_id):
            return
        with _translated():
            with suppress(NotFound):
                if self._client.containers.get(pod_id).labels.get("codecjob.mark") != self.mark:
                    raise InvalidRequest(f"container {pod_id} is no pod of codecjob: it is left alone")
            self._remove_all(self._members(pod_id), pod_id)

    def logs(self, pod_id: str) -> Iterator[bytes]:
        """See `Provider.logs`: the newest 60 MB of what each container wrote to stdout and stderr."""
        with _translated():
            for rank, container in enumerate(self._members(pod_id)):
                if rank:
                    yield b"--- the next node\n"
                with suppress(NotFound):
                    # Whole: for the next piece of a stream the docker package would wait without end.
                    if printed := container.logs():
                        yield printed

    def _create(self, request: LaunchRequest, rank: int, labels: dict[str, str], info: dict[str, Any]) -> Container:
        """One node's container, not started yet."""
        machine, pod_id = request.machine, labels["codecjob.pod"]
        settings = _resources(machine, info)
        if machine.gpu_count:
            settings["device_requests"] = [docker_nodes.gpus(rank, machine.nodes, machine.gpu_count)]
        if machine.nodes > 1:
            settings |= docker_nodes.attached(self._client, pod_id, rank)
        return self._client.containers.create(
            machine.image,
            list(request.command),
            name=docker_nodes.container_name(pod_id, rank),
            labels={**labels, "codecjob.node": str(rank)},
            environment=_environment(request, rank, pod_id),
            working_dir=WORKSPACE,
            log_config=LogConfig(type="json-file", config=LOG_OPTIONS),
            **settings,
        )

    def _members(self, pod_id: str) -> list[Container]:
        """A pod's containers in the order of their ranks."""
        members = docker_nodes.by_pod(self._summaries("pod", pod_id)).get(pod_id, [])
        return [self._client.containers.get(summary["Id"]) for summary in members]

    def _remove_all(self, containers: Iterable[Container], pod_id: str) -> None:
        for container in containers:
            try:
                container.remove(v=True, force=True)
            except APIError as error:
                if error.status_code not in (404, 409):  # gone, or somebody else is removing it
                    raise
        docker_nodes.remove_network(self._client, pod_id)

    def _info(self) -> dict[str, Any]:
        with _translated():
            return dict(self._client.info())

    def _summaries(self, label: str, value: str | None) -> list[dict[str, Any]]:
        labels = [f"codecjob.mark={self.mark}"] + ([f"codecjob.{label}={value}"] if value is not None else [])
        with _translated():
            return list(self._client.api.containers(all=True, filters={"label": labels}))

    def _remove_if_done(self, pod_id: str, container_ids: list[str]) -> None:
        """A pod whose processes have all ended: it ended well if its first node did, which keeps the record."""
        with _translated():
            try:
                containers = [self._client.containers.get(each) for each in container_ids]
                states = [container.attrs["State"] for container in containers]
                if any(state["Status"] not in docker_nodes.ENDED for state in states):
                    return  # running again
                if states[0]["ExitCode"] == 0 or _age(states[0]["FinishedAt"]) > KEEP_SECONDS:
                    self._remove_all(containers, pod_id)
                elif len(containers) > 1:
                    docker_nodes.remove_network(self._client, pod_id)
            except NotFound:
                return

    def _need_image(self, reference: str) -> None:
        if not reference:
            raise InvalidRequest("provider docker runs an image and none is named; `codecjob image build` makes one")
        try:
            with _translated():
                self._client.images.get(reference)
        except ImageNotFound:
            try:
                engine.pull(self._client, reference)
            except engine.EngineRefuses as error:
                raise Unauthorised(str(error)) from error
            except engine.EngineError as error:  # whatever it was, there is no pod
                raise InvalidRequest(str(error)) from error


def _pod_id(request: LaunchRequest) -> str:
    return f"{re.sub(r'[^a-zA-Z0-9_.-]', '-', request.name)}-{request.launch_id[-18:]}"


def _environment(request: LaunchRequest, rank: int, pod_id: str) -> dict[str, str]:
    """What one node's processes find."""
    machine = request.machine
    own = {
        POD_ID_VARIABLE: pod_id,
        LAUNCH_ID_VARIABLE: request.launch_id,
        PROVIDER_VARIABLE: DockerProvider.name,
        WORKSPACE_VARIABLE: WORKSPACE,
        **docker_nodes.environment(rank, machine.nodes),
    }
    if machine.cpus:  # a process sees all of the engine's CPUs, and would start a thread for each
        own["OMP_NUM_THREADS"] = str(max(1, int(machine.cpus)))
    return {**request.env, **own}


def _resources(machine: Machine, info: dict[str, Any]) -> dict[str, Any]:
    """The part of the container's settings that is the machine's."""
    memory = int(machine.memory_gb * GB) if machine.memory_gb else None
    settings: dict[str, Any] = {
        # Shared memory carries NCCL's and the data loader's buffers; Docker's own 64 MB are too few.
        "shm_size": (memory or int(info["MemTotal"])) // 2,
        "mounts": [Mount(WORKSPACE, machine.network_volume, type="volume")],
    }
    if memory:
        settings["mem_limit"] = memory
    if machine.cpus:
        settings["nano_cpus"] = int(machine.cpus * 1e9)
    if machine.network:
        settings["network"] = machine.network
    if machine.network != "host":
        settings["extra_hosts"] = {"host.docker.internal": "host-gateway"}
    settings["mounts"] += [Mount(path, path, type="bind", read_only=True) for path in machine.mounts_read_only]
    for folder in machine.mounts:
        settings["mounts"].append(Mount(folder, folder, type="bind"))
        if not _is_rootless(info):  # there the container's root is this user
            # The record's folder is written to from both sides: by its owner on both.
            owner = Path(folder).stat()
            settings["user"] = f"{owner.st_uid}:{owner.st_gid}"
    return settings


def _check_limits(machine: Machine, info: dict[str, Any]) -> None:
    if machine.cpus and machine.cpus > info["NCPU"]:
        raise NoCapacity(f"{machine.cpus:g} CPUs are asked for, the Docker engine has {info['NCPU']}; lower pod.cpus")
    if machine.memory_gb and machine.memory_gb * GB > info["MemTotal"]:
        raise NoCapacity(
            f"{machine.memory_gb:g} GB of memory are asked for, the Docker engine has {info['MemTotal'] / GB:.1f}; "
            "lower pod.memory_gb"
        )
    if machine.gpu_count and not _has_gpu(info):
        raise NoCapacity(
            f"gpu_count: {machine.gpu_count}, but the Docker engine at {engine.host()} has no GPU for containers: "
            "install NVIDIA's container toolkit there, or set gpu_count: 0"
        )


def _check_mounts(machine: Machine, info: dict[str, Any]) -> None:
    if not machine.mounts:
        return
    if not engine.is_local() or "Docker Desktop" in info.get("OperatingSystem", ""):
        raise InvalidRequest(
            f"the Docker engine at {engine.host()} runs on another machine and cannot see the folder "
            f"{machine.mounts[0]}; keep the record in a bucket: store: s3://..."
        )
    for folder in (*machine.mounts_read_only, *machine.mounts):
        if not Path(folder).is_dir():
            raise InvalidRequest(f"{folder} is no folder that a container could share")


def _has_gpu(info: dict[str, Any]) -> bool:
    devices = info.get("DiscoveredDevices") or []  # newer engines know GPUs by CDI, without a runtime of their own
    return "nvidia" in info.get("Runtimes", {}) or any("nvidia.com/gpu" in str(device) for device in devices)


def _is_rootless(info: dict[str, Any]) -> bool:
    return any("rootless" in option for option in info.get("SecurityOptions") or [])


def _refusal(request: LaunchRequest, error: APIError) -> ProviderError:
    """What the engine's answer means where it has certainly left no container."""
    said = engine.explain(error)
    if any(word in said.lower() for word in ("nvidia", "device driver", "gpu")):
        return NoCapacity(f"the Docker engine cannot give pod {request.name} its GPUs: {said}")
    return InvalidRequest(f"the Docker engine refuses pod {request.name}: {said}")


def _pod(labels: dict[str, str], state: PodState) -> Pod:
    return Pod(
        id=labels["codecjob.pod"],
        name=labels["codecjob.name"],
        run_id=labels["codecjob.run"],
        attempt=int(labels["codecjob.attempt"]),
        launch_id=labels["codecjob.launch"],
        state=state,
        price_per_hour=0.0,
        created=float(labels["codecjob.created"]),
        uptime=0.0 if state is PodState.STARTING else None,
        enter=f"docker exec -it {labels['codecjob.pod']} sh" if state is PodState.RUNNING else "",
    )


def _age(stamp: str) -> float:
    """Seconds since a time as the engine writes it: 2026-11-22T19:00:00.123456789Z."""
    return time.time() - timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))


@contextmanager
def _translated() -> Iterator[None]:
    """The engine's errors as the provider's."""
    try:
        with engine.answers("a request about pods"):
            yield
    except engine.EngineRefuses as error:
        raise Unauthorised(str(error)) from error
    except engine.EngineDown as error:
        raise Transient(str(error)) from error
    except engine.EngineError as error:
        raise ProviderError(str(error)) from error
    except (NotFound, ImageNotFound):
        raise
    except APIError as error:
        raise Transient(f"the Docker engine at {engine.host()} answered: {engine.explain(error)}") from error
