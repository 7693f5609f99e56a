"""RunPod's lists of pods and clusters, read: which entries are codecjob's, and what state they are in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.pods.base import ATTEMPT_VARIABLE, LAUNCH_ID_VARIABLE, RUN_VARIABLE, CannotTell, Pod, PodState, pool_of
from infra.pods.runpod_body import NAME_MARK, SSH_VARIABLE

CLUSTER = "cluster:"
"""How the id of a pod begins that is a whole cluster."""

# A status that RunPod adds some day counts as running: better to show too much than too little.
STATES = {
    "PROVISIONING": PodState.STARTING,
    "STARTING": PodState.STARTING,
    "RUNNING": PodState.RUNNING,
    "EXITED": PodState.EXITED,
    "ERROR": PodState.EXITED,
}
GONE = "TERMINATED"
NAME = re.compile(rf"(?P<name>codecjob-(?P<run>.+)-(?P<attempt>\d+)){NAME_MARK}(?P<launch>[\w.-]+)")


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a pod is known as codecjob's, and which."""

    run_id: str
    attempt: int
    launch_id: str


def read_pods(pods: Iterable[Mapping[str, Any]], clusters: Iterable[Mapping[str, Any]]) -> list[Pod]:
    """Codecjob's pods, oldest first; a cluster with all its members is one. Other people's are left out.

    Raises `CannotTell` for an entry that cannot be read: it may be anybody's.
    """
    single: dict[str, Pod] = {}
    members: dict[str, list[Mapping[str, Any]]] = {}
    for entry in pods:
        cluster = entry.get("cluster")
        if isinstance(cluster, dict) and cluster.get("id"):
            members.setdefault(str(cluster["id"]), []).append(entry)
        elif (pod := read_pod(entry)) is not None:
            single[pod.id] = pod
    named = {_id(cluster): cluster for cluster in clusters}
    found = [*single.values()]
    for cluster_id in named | members:
        pod = _read_cluster(cluster_id, named.get(cluster_id), members.get(cluster_id, []))
        found += [pod] if pod is not None else []
    return sorted(found, key=lambda pod: pod.created or 0.0)


def read_pod(entry: Mapping[str, Any], launched: Stamp | None = None) -> Pod | None:
    """One entry; None for another's pod, and for one that is gone. `launched` is known of a pod just made."""
    if entry.get("status") == GONE:
        return None
    pod_id, name = _id(entry), str(entry.get("name") or "")
    stamp = launched or stamp_of(entry)
    if stamp is None:
        return None
    return Pod(
        id=pod_id,
        name=_own_name(name),
        run_id=stamp.run_id,
        attempt=stamp.attempt,
        launch_id=stamp.launch_id,
        state=STATES.get(str(entry.get("status")), PodState.RUNNING),
        price_per_hour=_number(entry.get("cost")),
        created=_time(entry.get("createdAt")),
        uptime=_uptime(entry),
        data_center=str(entry.get("dataCenterId") or ""),
        pool=_pool(entry),
        enter=_enter(entry),
    )


def stamp_of(entry: Mapping[str, Any]) -> Stamp | None:
    """From the environment, else from the name; None for what is not codecjob's."""
    env = entry.get("env")
    env = env if isinstance(env, dict) else {}
    run_id, attempt, launch_id = (env.get(name) for name in (RUN_VARIABLE, ATTEMPT_VARIABLE, LAUNCH_ID_VARIABLE))
    if run_id and launch_id and str(attempt or "").isdecimal():
        return Stamp(str(run_id), int(str(attempt)), str(launch_id))
    if match := NAME.fullmatch(str(entry.get("name") or "")):
        return Stamp(match["run"], int(match["attempt"]), match["launch"])
    return None


def _read_cluster(
    cluster_id: str, cluster: Mapping[str, Any] | None, entries: list[Mapping[str, Any]], launched: Stamp | None = None
) -> Pod | None:
    """A cluster as one pod: no further than its slowest member, as dear as all of them."""
    entries = [entry for entry in entries if entry.get("status") != GONE]
    whole: list[Mapping[str, Any]] = [*([cluster] if cluster else []), *entries]
    stamp = launched or next((stamp for entry in whole if (stamp := stamp_of(entry))), None)
    if stamp is None or not whole:
        return None
    states = {STATES.get(str(entry.get("status")), PodState.RUNNING) for entry in entries}
    missing = len(entries) < _number(((cluster or {}).get("compute") or {}).get("podCount"))
    if states == {PodState.EXITED} and not missing:
        state = PodState.EXITED
    elif missing or PodState.STARTING in states:
        state = PodState.STARTING
    else:
        state = PodState.RUNNING
    uptimes = [uptime for entry in entries if (uptime := _uptime(entry)) is not None]
    return Pod(
        id=f"{CLUSTER}{cluster_id}",
        name=_own_name(str(whole[0].get("name") or "")),
        run_id=stamp.run_id,
        attempt=stamp.attempt,
        launch_id=stamp.launch_id,
        state=state,
        price_per_hour=sum(_number(entry.get("cost")) for entry in entries),
        created=_time(whole[0].get("createdAt")),
        uptime=0.0 if missing else min(uptimes, default=None),
        data_center=str(whole[0].get("dataCenterId") or ""),
        ends_itself=False,
    )


def new_cluster(cluster: Mapping[str, Any], launched: Stamp) -> Pod:
    """A cluster that has just been made; its members may not be listed yet."""
    pod = _read_cluster(_id(cluster), cluster, [], launched)
    assert pod is not None, "a stamp is given"
    return pod


def _pool(entry: Mapping[str, Any]) -> str:
    cloud, gpu = entry.get("cloud"), entry.get("gpu")
    name = gpu.get("id") if isinstance(gpu, dict) else None
    return pool_of(cloud.lower(), name) if isinstance(cloud, str) and isinstance(name, str) else ""


def _enter(entry: Mapping[str, Any]) -> str:
    """RunPod's own command: straight to the pod's sshd where that has a port, else through its proxy."""
    env, ways = entry.get("env"), entry.get("ssh")
    if not (isinstance(env, dict) and env.get(SSH_VARIABLE) and isinstance(ways, dict)):
        return ""
    found = [
        way["command"] for way in (ways.get("direct"), ways.get("proxy")) if isinstance(way, dict) and "command" in way
    ]
    return next((command for command in found if isinstance(command, str) and command.isprintable()), "")


def _id(entry: Mapping[str, Any]) -> str:
    found = entry.get("id")
    if not isinstance(found, str) or not found:
        raise CannotTell("RunPod lists a pod without an id, which may be anybody's; try again, or update codecjob")
    return found


def _own_name(name: str) -> str:
    match = NAME.fullmatch(name)
    return match["name"] if match else name


def _uptime(entry: Mapping[str, Any]) -> float | None:
    """RUNNING may be said while the image is still pulled: only a container that runs has an uptime."""
    if STATES.get(str(entry.get("status"))) is PodState.EXITED:
        return None
    runtime = entry.get("runtime")
    return _number(runtime.get("uptime")) if isinstance(runtime, dict) else 0.0


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _time(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None
