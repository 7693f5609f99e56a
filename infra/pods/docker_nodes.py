"""Several containers that are the nodes of one pod: their network, and what each is told to meet the others."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import DeviceRequest

import docker
from infra.pods.base import (
    MASTER_ADDR_VARIABLE,
    MASTER_PORT_VARIABLE,
    NODE_RANK_VARIABLE,
    NODES_VARIABLE,
    InvalidRequest,
    LaunchRequest,
    PodState,
)

ENDED = ("exited", "dead")
FIRST_NODE = "node0"
"""By this name the others find the first node."""
MASTER_PORT = 29500
# A network without a container that is this old was left by a client that died.
STALE_SECONDS = 3600.0

Summary = Mapping[str, Any]
"""A container as the engine's list shows it."""


def check(request: LaunchRequest) -> None:
    """Raises `InvalidRequest` for what several nodes cannot have."""
    if request.machine.nodes > 1 and request.machine.network is not None:
        raise InvalidRequest(
            f"pod.network: {request.machine.network}, but nodes have a network of their own; leave it out"
        )


def container_name(pod_id: str, rank: int) -> str:
    """The first node's is the pod's own."""
    return pod_id if rank == 0 else f"{pod_id}-node{rank}"


def environment(rank: int, nodes: int) -> dict[str, str]:
    """What RunPod's clusters tell their members, too."""
    if nodes == 1:
        return {}
    return {
        NODES_VARIABLE: str(nodes),
        NODE_RANK_VARIABLE: str(rank),
        MASTER_ADDR_VARIABLE: FIRST_NODE,
        MASTER_PORT_VARIABLE: str(MASTER_PORT),
    }


def gpus(rank: int, nodes: int, count: int) -> DeviceRequest:
    """The GPUs of a node: nodes of one engine share none."""
    if nodes == 1:
        return DeviceRequest(count=count, capabilities=[["gpu"]])
    own = range(rank * count, (rank + 1) * count)
    return DeviceRequest(device_ids=[str(number) for number in own], capabilities=[["gpu"]])


def attached(client: docker.DockerClient, pod_id: str, rank: int) -> dict[str, Any]:
    """The settings by which a node is in the pod's network."""
    aliases = [FIRST_NODE] if rank == 0 else []
    return {"network": pod_id, "networking_config": {pod_id: client.api.create_endpoint_config(aliases=aliases)}}


def make_network(client: docker.DockerClient, pod_id: str, labels: Mapping[str, str]) -> None:
    """The network of a pod, named as the pod. An engine has few: what dead clients have left goes first."""
    mark = labels["codecjob.mark"]
    for network in client.networks.list(filters={"label": f"codecjob.mark={mark}"}):
        made = float((network.attrs.get("Labels") or {}).get("codecjob.created", "inf"))
        if time.time() - made > STALE_SECONDS and not client.containers.list(
            all=True, filters={"label": f"codecjob.pod={network.name}"}
        ):
            remove_network(client, str(network.name))
    client.networks.create(pod_id, labels=dict(labels))


def remove_network(client: docker.DockerClient, pod_id: str) -> None:
    """The network of a pod; silent where there is none, or where a container of it still ends."""
    for network in client.networks.list(filters={"label": f"codecjob.pod={pod_id}"}):
        with suppress(NotFound):
            try:
                network.remove()
            except APIError as error:
                if error.status_code != 403:  # in use
                    raise


def by_pod(summaries: Iterable[Summary]) -> dict[str, list[Summary]]:
    """Pod id -> its containers in the order of their ranks."""
    found: dict[str, list[Summary]] = {}
    for summary in summaries:
        found.setdefault(summary["Labels"]["codecjob.pod"], []).append(summary)
    for members in found.values():
        members.sort(key=lambda summary: int(summary["Labels"].get("codecjob.node", "0")))
    return found


def state_of(members: Iterable[Summary]) -> PodState | None:
    """How far a pod is: no further than its slowest container that lives; None once all have ended."""
    states = [summary["State"] for summary in members if summary["State"] not in ENDED]
    if not states:
        return None
    if "created" in states:
        return PodState.STARTING
    return PodState.EXITED if set(states) == {"removing"} else PodState.RUNNING
