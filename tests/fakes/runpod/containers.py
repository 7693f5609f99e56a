"""Pods of the fake that are real containers of a Docker engine on this machine."""

import json
import shlex
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from docker.models.containers import Container

import docker
from fakes.runpod.pods import FakePod

ROOT = Path(__file__).parents[3]
LABEL = "codecjob-fake-runpod"


@dataclass
class Containers:
    """Each pod is a container of the image that was asked for, which the engine starts again whenever it ends.

    It shares this machine's network, so that it reaches the fake on loopback. What `wiped` names is empty after every
    restart. An image that the engine does not have is never pulled: such a pod does not start.
    """

    binds: dict[str, str] = field(default_factory=dict)
    """Folder here -> folder in every container, read-only, unless it ends in `:rw`."""
    wiped: tuple[str, ...] = ("/workspace",)
    workdir: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    """What stands for the environment that an image brings."""
    client: docker.DockerClient = field(default_factory=docker.from_env)
    containers: dict[str, Container] = field(default_factory=dict)
    kept: dict[str, list[tuple[float, str]]] = field(default_factory=dict)

    def start(self, pod: FakePod) -> None:
        """See `Runner.start`; in a thread of its own, as no create waits for its pod."""
        try:
            self.client.images.get(str(pod.body["image"]))
        except docker.errors.ImageNotFound:
            return
        entrypoint, command = _command(pod)
        container = self.client.containers.create(
            str(pod.body["image"]),
            command,
            entrypoint=entrypoint,
            name=f"{LABEL}-{pod.id}",
            environment={**self.env, **pod.extra_env, **_on_loopback(pod.body.get("env", {}))},
            network_mode="host",
            restart_policy={"Name": "always"},
            labels={LABEL: pod.id},
            volumes=[
                f"{here}:{there if there.endswith(':rw') else there + ':ro'}" for here, there in self.binds.items()
            ],
            tmpfs=dict.fromkeys(self.wiped, "exec"),
            working_dir=self.workdir,
        )
        self.containers[pod.id] = container
        threading.Thread(target=_start, args=(container,), daemon=True).start()

    def running_since(self, pod: FakePod, now: float) -> float | None:
        """See `Runner.running_since`."""
        container = self.containers.get(pod.id)
        if container is None:
            return None
        try:
            container.reload()
        except docker.errors.NotFound:
            return None
        state = container.attrs["State"]
        # Between two runs it counts as running: RunPod shows no exit.
        ever = state["Running"] or state["Restarting"] or container.attrs["RestartCount"]
        return _seconds(state["StartedAt"]) if ever else None

    def end(self, pod: FakePod) -> None:
        """See `Runner.end`: killed, with no time to save."""
        container = self.containers.pop(pod.id, None)
        if container is not None:
            try:
                container.remove(force=True, v=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if "already in progress" not in str(error):
                    raise

    def lines(self, pod: FakePod) -> list[tuple[float, str]]:
        """See `Runner.lines`."""
        container = self.containers.get(pod.id)
        if container is None:
            return []
        try:
            printed = container.logs(timestamps=True).decode(errors="replace")
        except docker.errors.APIError:
            return []
        parted = (line.partition(" ") for line in printed.splitlines())
        return [(_seconds(stamp), text) for stamp, _, text in parted]


def host_python() -> dict[str, str]:
    """Binds by which a container of an empty image runs this Python with all that it can import."""
    places = [
        sys.base_prefix,
        sys.prefix,
        str(ROOT),
        *sys.path,
        "/usr",
        "/bin",
        "/lib",
        "/lib64",
        "/etc/ssl",
        "/etc/passwd",
    ]
    return {place: place for place in places if place and Path(place).exists()}


def _on_loopback(env: dict[str, str]) -> dict[str, str]:
    """The nodes of a cluster meet on loopback: this machine has no network of the vendor's."""
    return {name: "lo" if name.endswith("_SOCKET_IFNAME") else value for name, value in env.items()}


def _command(pod: FakePod) -> tuple[list[str] | None, list[str] | None]:
    """(entrypoint, command); None leaves the image's own."""
    if pod.body.get("cmd") or pod.body.get("entrypoint"):
        return pod.body.get("entrypoint"), pod.body.get("cmd")
    args = str(pod.body.get("args") or "")
    if args.startswith("{"):
        both = json.loads(args)
        return both.get("entrypoint"), both.get("cmd")
    return None, shlex.split(args) or None


def _start(container: Container) -> None:
    try:
        container.start()
    except docker.errors.NotFound:
        return  # ended before it began


def _seconds(stamp: str) -> float:
    whole, _, rest = stamp.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest or 0}")
