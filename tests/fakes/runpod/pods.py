"""The fake's pods and clusters: what each is, does and costs at a moment, and how the API shows it."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

DISK_USD_PER_GB_HOUR = 0.0002
CUDA = "13.0"
ACTIONS = {
    "RUNNING": ["stop", "restart", "terminate"],
    "EXITED": ["start", "terminate"],
    "ERROR": ["start", "terminate"],
    "PROVISIONING": ["stop", "terminate"],
    "STARTING": ["stop", "terminate"],
    "TERMINATED": [],
}


@dataclass
class FakePod:
    """One pod. Times are Unix seconds of the fake's clock."""

    body: dict[str, Any]
    data_center: str
    price: float
    created: float
    stuck: bool = False
    cluster: tuple[str, int] | None = None
    """Id of the cluster and rank in it."""
    extra_env: dict[str, str] = field(default_factory=dict)
    """What RunPod itself sets in the container."""
    stopped: float | None = None
    terminated: float | None = None
    restarted: float | None = None
    """When its container was started again."""
    locked: bool = False
    """By its owner: nothing ends it."""
    printed: list[tuple[float, str]] = field(default_factory=list)
    """Output of a pod with nothing behind it."""
    system: list[tuple[float, str]] = field(default_factory=list)
    """What the vendor says of pulling the image and starting the container."""
    id: str = field(default_factory=lambda: secrets.token_hex(7))
    key: str = field(default_factory=lambda: f"rpa_pod_{secrets.token_hex(12)}")

    def command(self) -> tuple[list[str] | None, str]:
        """(cmd, args) as they were asked for."""
        return self.body.get("cmd"), str(self.body.get("args", ""))

    def usd(self, now: float) -> tuple[float, float]:
        """What compute and disk have cost; a stopped pod pays its disk until it is terminated."""
        end = now if self.terminated is None else self.terminated
        computed = min(end, self.stopped) if self.stopped is not None else end
        disk = int(self.body.get("disk", 20)) * DISK_USD_PER_GB_HOUR
        return self.price * (computed - self.created) / 3600, disk * (end - self.created) / 3600


class Runner(Protocol):
    """What stands behind the pods."""

    def start(self, pod: FakePod) -> None:
        """Begin to run a pod's container, again if it has been stopped."""

    def running_since(self, pod: FakePod, now: float) -> float | None:
        """When its container has started; None while it has not."""

    def end(self, pod: FakePod) -> None:
        """End the container. Silent when it is gone."""

    def lines(self, pod: FakePod) -> list[tuple[float, str]]:
        """Its output with times, oldest first."""


@dataclass
class Paper:
    """Nothing stands behind the pods: they start after so many seconds of the fake's clock."""

    start_seconds: float = 0.0

    def start(self, pod: FakePod) -> None:
        pass

    def running_since(self, pod: FakePod, now: float) -> float | None:
        since = (pod.restarted or pod.created) + self.start_seconds
        return since if now >= since else None

    def end(self, pod: FakePod) -> None:
        pass

    def lines(self, pod: FakePod) -> list[tuple[float, str]]:
        return list(pod.printed)


def status_of(pod: FakePod, runner: Runner, now: float) -> str:
    if pod.terminated is not None:
        return "TERMINATED"
    if pod.stopped is not None:
        return "EXITED"
    if pod.stuck:
        return "RUNNING"
    return "STARTING" if runner.running_since(pod, now) is None else "RUNNING"


def _proxy(pod: FakePod) -> dict[str, Any]:
    user = f"{pod.id}-64411eb2"
    return {"host": "ssh.runpod.io", "port": 22, "username": user, "command": f"ssh {user}@ssh.runpod.io"}


def pod_document(pod: FakePod, runner: Runner, now: float) -> dict[str, Any]:
    """As the API shows it."""
    status = status_of(pod, runner, now)
    since = None if pod.stuck or status != "RUNNING" else runner.running_since(pod, now)
    uptime = 0 if since is None else int(max(now - since, 0)) + 1
    document: dict[str, Any] = {
        "id": pod.id,
        "name": pod.body["name"],
        "status": status,
        "actions": ACTIONS[status],
        "image": pod.body.get("image", ""),
        "args": pod.body.get("args", ""),
        "disk": pod.body.get("disk", 20),
        "mounts": pod.body.get("mounts", {}),
        "ports": pod.body.get("ports", []),
        "env": pod.body.get("env", {}),
        "registry": pod.body.get("registry"),
        "cloud": pod.body.get("cloud", "SECURE"),
        "gpu": {"id": pod.body["gpu"]["id"], "count": pod.body["gpu"].get("count", 1)},
        "dataCenterId": pod.data_center or None,
        "cudaVersion": CUDA,
        # RunPod shows a way for any pod that has a machine; only one made with startSsh lets anybody in.
        "ssh": {"proxy": None if status == "PROVISIONING" else _proxy(pod), "direct": None},
        "template": None,
        "cost": 0.0 if status in ("EXITED", "TERMINATED") else pod.price,
        "locked": pod.locked,
        "globalNetworking": {"enabled": False},
        # Null until the container runs, also of a pod that is said to run; the start is that of the pod, not of it.
        "runtime": None if since is None else {"uptime": uptime, "ports": []},
        "createdAt": rfc3339(pod.created, "milliseconds"),
        "startedAt": None if status == "PROVISIONING" else rfc3339(pod.created + 0.005, "milliseconds"),
    }
    if pod.cluster is not None:
        document["cluster"] = {"id": pod.cluster[0], "rank": pod.cluster[1]}
    return document


@dataclass
class FakeCluster:
    """Some pods that live and end together."""

    body: dict[str, Any]
    created: float
    members: list[FakePod] = field(default_factory=list)
    deleted: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(7))

    def document(self, runner: Runner, now: float) -> dict[str, Any]:
        """As the API shows it."""
        states = [status_of(pod, runner, now) for pod in self.members]
        document: dict[str, Any] = {
            "id": self.id,
            "name": self.body["name"],
            "type": self.body["type"],
            "compute": self.body["compute"],
            "pods": {"total": len(states), "byStatus": {state: states.count(state) for state in set(states)}},
            "createdAt": rfc3339(self.created),
        }
        if self.members:
            document["dataCenterId"] = self.members[0].data_center
            document["primary"] = {"podId": self.members[0].id, "status": states[0]}
        return document


def rfc3339(seconds: float, timespec: str = "seconds") -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
