"""What is sent to RunPod to start a pod or a cluster, as pure functions."""

from __future__ import annotations

import json
import shlex
from typing import Any

from infra.pods.base import (
    ATTEMPT_VARIABLE,
    LAUNCH_ID_VARIABLE,
    PROVIDER_VARIABLE,
    RUN_VARIABLE,
    WORKSPACE_VARIABLE,
    InvalidRequest,
    LaunchRequest,
    Offer,
)

PROVIDER = "runpod"
WORKSPACE = "/workspace"
NAME_MARK = "--"
"""Between a pod's own name and its launch id."""
CLUSTER_INTERFACE = "ens1"
"""The network between a cluster's nodes: on any other NCCL does not connect."""
SSH_VARIABLE = "CODECJOB_SSH"
"""Marks a pod that was made with startSsh: no other may be logged in to, whatever RunPod shows of it."""
BODY_BYTES = 102_400
"""RunPod takes no larger request."""


def pod_body(request: LaunchRequest, offer: Offer, extra_env: dict[str, str]) -> dict[str, Any]:
    """The body of POST /pods. Raises `InvalidRequest` for what RunPod could not do."""
    machine = request.machine
    gpu: dict[str, Any] = {"id": offer.gpu, "count": machine.gpu_count}
    if machine.min_cuda is not None:
        gpu["minCudaVersion"] = machine.min_cuda
    body = _container(request, offer, extra_env)
    body |= {"gpu": gpu, "cloud": offer.cloud.upper() or "SECURE"}
    if machine.registry is not None:
        body["registry"] = machine.registry
    return _checked(body, request)


def cluster_body(request: LaunchRequest, offer: Offer, extra_env: dict[str, str]) -> dict[str, Any]:
    """The body of POST /clusters. Raises `InvalidRequest` for what RunPod could not do."""
    machine = request.machine
    if machine.registry is not None:
        raise InvalidRequest(
            f"cannot start {request.name}: RunPod's clusters take no credential of a registry; push the image where "
            "it is public, or leave nodes out"
        )
    interface = {"NCCL_SOCKET_IFNAME": CLUSTER_INTERFACE, "GLOO_SOCKET_IFNAME": CLUSTER_INTERFACE}
    body = _container(request, offer, interface | extra_env)
    body |= {
        "type": "TRAINING",
        "compute": {"gpuTypeId": offer.gpu, "gpuCountPerPod": machine.gpu_count, "podCount": machine.nodes},
    }
    return _checked(body, request)


def without_cmd(body: dict[str, Any]) -> dict[str, Any]:
    """The same body for an API that has no field `cmd` yet: what its image's entrypoint is given, as one line."""
    old = {name: value for name, value in body.items() if name != "cmd"}
    return old | {"args": shlex.join(body["cmd"])}


def vendor_name(request: LaunchRequest) -> str:
    """The name that RunPod shows. It carries the launch id, for lists that do not show the environment."""
    return f"{request.name}{NAME_MARK}{request.launch_id}"


def _container(request: LaunchRequest, offer: Offer, extra_env: dict[str, str]) -> dict[str, Any]:
    machine = request.machine
    own = {
        RUN_VARIABLE: request.run_id,
        ATTEMPT_VARIABLE: str(request.attempt),
        LAUNCH_ID_VARIABLE: request.launch_id,
        PROVIDER_VARIABLE: PROVIDER,
        WORKSPACE_VARIABLE: WORKSPACE,
    }
    if machine.ssh:
        own[SSH_VARIABLE] = "1"
    body: dict[str, Any] = {
        "name": vendor_name(request),
        "image": machine.image,
        "cmd": list(request.command),
        "disk": machine.disk_gb,
        "env": {**request.env, **extra_env, **own},
    }
    if machine.ssh:
        body["startSsh"] = True
    # RunPod holds to them, and stock moves: without need none are named, or a machine elsewhere would be missed.
    if offer.data_centers and not offer.anywhere:
        body["dataCenterIds"] = list(offer.data_centers)
    if machine.network_volume is not None:
        body["mounts"] = {"network": [{"volumeId": machine.network_volume, "path": WORKSPACE}]}
    return body


def _checked(body: dict[str, Any], request: LaunchRequest) -> dict[str, Any]:
    start = f"cannot start {request.name}"
    if not body["image"]:
        raise InvalidRequest(f"{start}: RunPod runs an image and none is named; `codecjob image push` makes one")
    if not request.command:
        raise InvalidRequest(f"{start}: the command is empty; name a program to run")
    if request.machine.gpu_count < 1:
        raise InvalidRequest(f"{start}: a pod on RunPod needs a GPU; ask for at least one")
    if theirs := sorted(name for name in request.env if name.startswith("RUNPOD_")):
        raise InvalidRequest(f"{start}: RunPod itself sets {', '.join(theirs)} in a pod; leave it out")
    if len(json.dumps(body).encode()) > BODY_BYTES:
        raise InvalidRequest(f"{start}: RunPod takes at most {BODY_BYTES} bytes; pass less in the environment")
    return body
