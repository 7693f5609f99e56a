"""Which machine this is, and which of its boots: what a process id means only together with."""

from __future__ import annotations

import uuid
from pathlib import Path

import psutil


def machine_id() -> str:
    """The same on this machine for good, different on every other."""
    return _first_line(Path("/etc/machine-id")) or f"node-{uuid.getnode():012x}"


def boot_id() -> str:
    """The same until this machine starts anew."""
    return _first_line(Path("/proc/sys/kernel/random/boot_id")) or f"boot-{psutil.boot_time():.0f}"


def count_gpus() -> int:
    """How many NVIDIA GPUs this machine has by its kernel's word: no torch is needed to ask."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
