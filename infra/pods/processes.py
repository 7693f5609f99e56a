"""The processes of a local pod, known by the stamp in the environment that each inherits from the first.

The stamp is the pod's id, which is never given out twice. So a reused process id cannot pass for a pod's process, and
one whose parents have died is still found. A process id means something only together with its machine and boot.
"""

from __future__ import annotations

import signal
import time
import uuid
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil

from infra.pods.base import POD_ID_VARIABLE

POLL_SECONDS = 0.05


def machine_id() -> str:
    """The same on this machine for good, different on every other."""
    return _first_line(Path("/etc/machine-id")) or f"node-{uuid.getnode():012x}"


def boot_id() -> str:
    """The same until this machine is started again."""
    return _first_line(Path("/proc/sys/kernel/random/boot_id")) or f"boot-{psutil.boot_time():.0f}"


def count_gpus() -> int:
    """How many NVIDIA GPUs this machine has by its kernel's word: no torch is needed to ask."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def stamp(process: psutil.Process) -> str | None:
    """The pod that a living process belongs to; None for any other, and for a zombie."""
    try:
        if not _lives(process):
            return None
        return process.environ().get(POD_ID_VARIABLE)
    except (psutil.Error, OSError):  # gone meanwhile, or another user's: no process of ours
        return None


def living_pods() -> set[str]:
    """The ids of all pods with a living process on this machine."""
    return {pod_id for process in psutil.process_iter() if (pod_id := stamp(process))}


def members(pod_id: str) -> set[psutil.Process]:
    """The living processes of a pod, with those descendants that have cleared their environment."""
    stamps: dict[int, str | None] = {}
    children: dict[int, list[psutil.Process]] = defaultdict(list)
    queue: list[psutil.Process] = []
    for process in psutil.process_iter():
        stamps[process.pid] = stamp(process)
        if stamps[process.pid] == pod_id:
            queue.append(process)
        with suppress(psutil.Error):
            children[process.ppid()].append(process)

    found: set[psutil.Process] = set()
    while queue:
        process = queue.pop()
        found.add(process)
        # A child with another stamp is a pod that this one has launched: a pod of its own.
        queue.extend(child for child in children[process.pid] if stamps[child.pid] is None)
    return found


def end(pod_id: str, grace_seconds: float) -> set[psutil.Process]:
    """Terminate a pod's processes, kill what is left after the grace; returns those that still live (none, normally).

    Called from inside the pod it spares the caller and the caller's ancestors, and does not count them.
    """
    caller = psutil.Process()
    spared = {caller, *caller.parents()} if caller in members(pod_id) else set()
    living: set[psutil.Process] = set()
    for number in (signal.SIGTERM, signal.SIGKILL):
        signalled: set[psutil.Process] = set()
        deadline = time.monotonic() + grace_seconds
        while True:
            # Look anew each time: a process may start another while it is being ended.
            living = {process for process in living | members(pod_id) if _lives(process)} - spared
            if not living:
                return living
            if time.monotonic() > deadline:
                break
            for process in living - signalled:
                with suppress(psutil.Error):
                    process.send_signal(number)  # psutil compares start times first: a reused id is not hit
            signalled |= living
            time.sleep(POLL_SECONDS)
    return living


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
