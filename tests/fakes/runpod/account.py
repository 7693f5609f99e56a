"""One account of the fake: its key, its money, its pods and clusters, and the rules by which they come and go."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakes.runpod.catalog import Gpu, default_gpus
from fakes.runpod.faults import Faults
from fakes.runpod.pods import FakeCluster, FakePod, Paper, Runner, status_of

NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)
WITHOUT_NODES = 1
MASTER_PORT = "29400"


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, detail: str, errors: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors


@dataclass
class Account:
    """Everything that the API works on. Its methods do what the calls of the API do."""

    runner: Runner = field(default_factory=Paper)
    now: Callable[[], float] = time.time
    key: str = field(default_factory=lambda: f"rpa_{secrets.token_hex(20)}")
    balance: float | None = None
    """USD; None has no end."""
    gpus: list[Gpu] = field(default_factory=default_gpus)
    volumes: dict[str, str] = field(default_factory=dict)
    """Id of a network volume -> its data center."""
    pods: dict[str, FakePod] = field(default_factory=dict)
    clusters: dict[str, FakeCluster] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    page_size: int | None = None
    quota: int | None = None
    """Calls a minute; None has no end."""
    used: list[float] = field(default_factory=list)
    """When the calls of this minute were made."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def take_quota(self) -> tuple[int, int] | None:
        """Counts a call: (calls left, seconds until this minute is over), -1 left for one too many."""
        if self.quota is None:
            return None
        minute = self.now() // 60
        self.used = [*(when for when in self.used if when // 60 == minute), self.now()]
        return max(self.quota - len(self.used), -1), int((minute + 1) * 60 - self.now()) + 1

    def create_pod(self, body: dict[str, Any]) -> FakePod:
        """POST /pods."""
        if ("gpu" in body) == ("cpu" in body):
            raise Refused(400, "exactly one of gpu or cpu must be set")
        if "cpu" in body:
            raise Refused(400, "the fake has no CPU pods")
        network = body.get("mounts", {}).get("network") or []
        if network and body.get("mounts", {}).get("persistent"):
            raise Refused(400, "mounts.persistent and mounts.network are mutually exclusive")
        gpu = body["gpu"]
        place, price = self._place(
            gpu["id"], gpu.get("count", 1), body.get("cloud", "SECURE"), body.get("dataCenterIds"), network
        )
        pod = FakePod(body, place, price, self.now())
        self._run(pod, gpu.get("count", 1))
        return pod

    def create_cluster(self, body: dict[str, Any]) -> FakeCluster:
        """POST /clusters: all members in one data center."""
        compute = body["compute"]
        network = body.get("mounts", {}).get("network") or []
        count, nodes = compute["gpuCountPerPod"], compute["podCount"]
        place, price = self._place(compute["gpuTypeId"], count, "SECURE", body.get("dataCenterIds"), network, nodes)
        cluster = FakeCluster(body, self.now())
        self.clusters[cluster.id] = cluster
        for rank in range(nodes):
            member = body | {
                "name": f"{body['name']}-{rank}",
                "gpu": {"id": compute["gpuTypeId"], "count": count},
            }
            pod = FakePod(member, place, price, self.now(), cluster=(cluster.id, rank))
            pod.extra_env = {
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": MASTER_PORT,
                "NODE_RANK": str(rank),
                "NUM_NODES": str(nodes),
                "NUM_TRAINERS": str(count),
            }
            cluster.members.append(pod)
            self._run(pod, count)
        return cluster

    def terminate(self, pod: FakePod) -> None:
        """For good."""
        self.runner.end(pod)
        pod.terminated = pod.terminated or self.now()

    def delete_cluster(self, cluster: FakeCluster) -> None:
        """With all its members."""
        cluster.deleted = True
        for pod in cluster.members:
            self.terminate(pod)

    def act(self, pod: FakePod, action: str) -> None:
        """POST /pods/{id}/action, for an action that the pod's state allows."""
        self.check_unlocked(pod)
        if action == "terminate":
            self.terminate(pod)
        elif action == "stop":
            self.runner.end(pod)
            pod.stopped = self.now()
        else:
            self.runner.end(pod)
            pod.stopped = None
            pod.restarted = self.now()
            self.runner.start(pod)

    def check_unlocked(self, pod: FakePod) -> None:
        """Raise the refusal of whatever would end a locked pod."""
        if pod.locked:
            raise Refused(400, "Pod is locked")

    def vanish(self, pod_id: str) -> None:
        """The host is lost: the pod is not listed any more, and nobody ended it."""
        self.terminate(self.pods[pod_id])

    def end_all(self) -> None:
        """What a test leaves behind."""
        for pod in self.pods.values():
            if pod.terminated is None:
                self.terminate(pod)

    def living(self) -> list[FakePod]:
        """Every pod that is billed, be it for its disk."""
        return [pod for pod in self.pods.values() if pod.terminated is None]

    def status(self, pod: FakePod) -> str:
        """Of a pod, now."""
        return status_of(pod, self.runner, self.now())

    def _place(
        self,
        gpu_id: str,
        count: int,
        cloud: str,
        wanted: list[str] | None,
        network: list[dict[str, str]],
        nodes: int = WITHOUT_NODES,
    ) -> tuple[str, float]:
        """(data center, USD an hour), or the refusal."""
        gpu = next((gpu for gpu in self.gpus if gpu.id == gpu_id), None)
        if gpu is None:
            raise Refused(422, f"Unknown GPU type: {gpu_id}")
        if cloud not in gpu.prices:
            raise Refused(400, f"gpu type {gpu_id} is not offered in the {cloud} cloud")
        free = gpu.free(cloud, count)
        if network:
            volume = self.volumes.get(network[0]["volumeId"])
            if volume is None:
                raise Refused(404, "network volume not found")
            free = {place: level for place, level in free.items() if place == volume}
        places = [place for place in wanted or sorted(free) if place in free]
        if not places:
            raise Refused(400, NO_CAPACITY)
        price = gpu.prices[cloud] * count
        if self.balance is not None and self.balance < price * nodes:
            raise Refused(402, "insufficient balance")
        return places[0], price

    def _run(self, pod: FakePod, gpus: int) -> None:
        pod.stuck = pod.data_center in self.faults.stuck_data_centers or self.faults.stuck_next > 0
        pod.stuck = pod.stuck or pod.body.get("image") in self.faults.missing_images
        self.faults.stuck_next = max(self.faults.stuck_next - 1, 0)
        network = pod.body.get("mounts", {}).get("network") or []
        pod.extra_env |= {
            "RUNPOD_POD_ID": pod.id,
            "RUNPOD_API_KEY": pod.key,
            "RUNPOD_DC_ID": pod.data_center,
            "RUNPOD_GPU_COUNT": str(gpus),
            "RUNPOD_CPU_COUNT": "8",
        } | ({"RUNPOD_VOLUME_ID": network[0]["volumeId"]} if network else {})
        self.pods[pod.id] = pod
        if not pod.stuck:
            self.runner.start(pod)
