"""The image's health check: an agent is at work, and its workspace can be written to.

Standard library only, and no judgement of the training: that is in the record.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.pods import WORKSPACE_VARIABLE

# Stopped, traced, zombie, dead: such an agent ends no pod.
AGENTS = {b"job.pod.agent", b"job.pod.worker_node"}
NOT_AT_WORK = set("TtZX")


def problem(workspace: Path, proc: Path = Path("/proc")) -> str | None:
    """What is wrong with this pod, in one line; None when nothing is."""
    states = set(_agents(proc))
    if not states - NOT_AT_WORK:
        return f"the agent is in state {states.pop()}" if states else "no agent runs"
    probe = workspace / f".health-{os.getpid()}"
    try:
        probe.write_bytes(bytes(4096))
        probe.unlink()
    except OSError as error:
        probe.unlink(missing_ok=True)
        return f"cannot write to {workspace}: {error.strerror}"
    return None


def _agents(proc: Path) -> Iterator[str]:
    """The state of each process that runs the agent, in one letter of the kernel's."""
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if AGENTS & {*(folder / "cmdline").read_bytes().split(b"\0")}:
                yield (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue  # gone between the listing and the reading


if __name__ == "__main__":
    if said := problem(Path(os.environ.get(WORKSPACE_VARIABLE, "/workspace"))):
        sys.exit(said)
