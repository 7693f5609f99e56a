"""The pod's first process: runs the agent, and ends everything at the absolute deadline, whatever else fails.

Standard library only, no store, no network: the last line of defence must not depend on what it guards against. Where
an exit ends nothing, since the provider starts the container again, another process asks it for the pod's end.
"""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Protocol

from job.speech import tell

DEADLINE_VARIABLE = "CODECJOB_DEADLINE"
# max_hours in seconds, counted from this process's own start: a wrong clock cannot move it.
LIMIT_VARIABLE = "CODECJOB_MAX_SECONDS"
WORKSPACE_VARIABLE = "CODECJOB_WORKSPACE"
# Where the agent says when to end it, by the monotonic clock of this machine, once it knows the store's time.
UNTIL_FILE = "until"
# Set where several nodes train together: the first has the agent, the others what trains beside it.
NODES_VARIABLE, NODE_RANK_VARIABLE = "NUM_NODES", "NODE_RANK"
# Set where the pod ends with its first process. Any other is started again, and has to be ended by its provider.
EXIT_ENDS_POD_VARIABLE = "CODECJOB_EXIT_ENDS_POD"
# What the agent gets for a last checkpoint and upload after the deadline or a request to end.
GRACE_SECONDS = 60.0
POLL_SECONDS = 1.0
# What a trainer that outlived its agent gets to end by itself.
CHILDREN_SECONDS = 5.0
# What SIGKILL gets. A process that a driver or a file system holds does not die of it.
KILL_SECONDS = 30.0
# What asking for that gets: a little more than all tries of `job.pod.self_termination`.
END_POD_SECONDS = 300.0


class Agent(Protocol):
    """What of a process is used here."""

    def wait(self, timeout: float) -> int:
        """The exit code; raises TimeoutExpired."""
        ...

    def send_signal(self, sig: int) -> None:
        """Does nothing once it has ended."""
        ...

    def kill(self) -> None:
        """Cannot be refused."""
        ...


def main() -> int:
    """Runs the agent until it ends, is told to end, or the deadline passes; returns its exit code."""
    deadline = float(os.environ[DEADLINE_VARIABLE])
    limit = float(os.environ.get(LIMIT_VARIABLE) or math.inf)
    forget(os.environ)
    agent = subprocess.Popen([sys.executable, "-P", "-m", module(os.environ)])
    told_to_end: list[float] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        tell_to_end(agent, told_to_end)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    code = supervise(agent, deadline, told_to_end, limit, lambda: told_until(os.environ))
    if code < 0:
        _say(f"the agent was ended by {signal.Signals(-code).name}")
    left = _end_group() if os.getpgrp() == os.getpid() else set()  # not when started by hand, in another's group
    if may_end_pod(os.environ) and has_to_end(code, deadline, left):
        _end_pod()
    return code if code >= 0 else 128 - code


def module(env: Mapping[str, str]) -> str:
    """What runs in this container."""
    several = int(env.get(NODES_VARIABLE) or 1) > 1
    return "job.pod.worker_node" if several and int(env.get(NODE_RANK_VARIABLE) or 0) > 0 else "job.pod.agent"


def may_end_pod(env: Mapping[str, str]) -> bool:
    """Whether this process can and has to ask the provider for the pod's end: no node can end several."""
    return not env.get(EXIT_ENDS_POD_VARIABLE) and int(env.get(NODES_VARIABLE) or 1) == 1


def has_to_end(code: int, deadline: float, left: Collection[int] = ()) -> bool:
    """Whether the pod has to end now that its agent has ended and left it: another start would do no better.

    An agent that works ends its pod and exits with 0; one that was killed is started again, and goes on from its newest
    checkpoint. ``left`` are the processes that cannot be killed.
    """
    return code > 0 or bool(left) or time.time() > deadline


def supervise(
    agent: Agent,
    deadline: float,
    told_to_end: list[float],
    limit: float = math.inf,
    until: Callable[[], float | None] = lambda: None,
) -> int:
    """Waits for the agent's end, and sees to it; returns its exit code. ``told_to_end`` holds when it was told.

    ``limit`` is how many seconds it may take from now on at most. ``until`` is what the agent has found out of the
    deadline by the store's clock, as a time of the monotonic clock; before it has, this machine's own clock counts.
    """
    began = time.monotonic()
    last = began + min(seconds_left(deadline, limit), limit)
    if time.time() > deadline:
        _say(f"started {time.time() - deadline:.0f} s past the deadline by this machine's clock")
    while True:
        with suppress(subprocess.TimeoutExpired):
            return agent.wait(timeout=POLL_SECONDS)
        told = until()
        if not told_to_end and time.monotonic() > (last if told is None else min(told, began + limit)):
            _say("the deadline has passed: ending the agent")
            tell_to_end(agent, told_to_end)
        late = time.monotonic() - told_to_end[0] - GRACE_SECONDS if told_to_end else 0.0
        if late > 0:
            _say("the agent did not end in time: killing it")
            agent.kill()
        if late > KILL_SECONDS:
            return -signal.SIGKILL


def seconds_left(deadline: float, limit: float = math.inf) -> float:
    """What is left now by this machine's clock. Past the deadline it is ``limit``: then the clock may be wrong.

    A pod that was started again after its deadline looks the same; its agent asks the store and ends.
    """
    left = deadline - time.time()
    if left <= 0:
        return 0.0 if limit == math.inf else limit
    return left


def told_until(env: Mapping[str, str]) -> float | None:
    """What the agent has written of the deadline, if anything."""
    try:
        return float((Path(env[WORKSPACE_VARIABLE]) / UNTIL_FILE).read_text())
    except (OSError, ValueError, KeyError):
        return None


def forget(env: Mapping[str, str]) -> None:
    """Remove what an agent of before has written: another boot's monotonic clock means nothing."""
    with suppress(OSError, KeyError):
        (Path(env[WORKSPACE_VARIABLE]) / UNTIL_FILE).unlink()


def tell_to_end(agent: Agent, told_to_end: list[float]) -> None:
    """Asks the agent to end, and remembers when."""
    told_to_end.append(time.monotonic())
    agent.send_signal(signal.SIGTERM)


def _end_group() -> set[int]:
    """A killed agent leaves its trainer behind; nothing may live on in a pod that has ended. Returns what does."""
    killing_from = time.monotonic() + CHILDREN_SECONDS
    asked: set[int] = set()
    while members := _other_members():
        killing = time.monotonic() > killing_from
        if time.monotonic() > killing_from + KILL_SECONDS:
            _say(f"cannot be killed: {', '.join(map(str, sorted(members)))}")
            return members
        for pid in members if killing else members - asked:  # asked once: a second SIGTERM ends a trainer at once
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if killing else signal.SIGTERM)
        asked |= members
        time.sleep(0.1)
    return set()


def _end_pod() -> None:
    _say("the agent has not ended this pod: asking the provider to")
    with suppress(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-P", "-m", "job.pod.self_termination"], timeout=END_POD_SECONDS, check=False)


def _other_members() -> set[int]:
    """The living processes of this process's group, without itself."""
    members = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            state, _parent, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # gone between the listing and the reading
        if int(group) == os.getpgrp() and state != "Z":
            members.add(int(folder.name))
    return members


def _say(what: str) -> None:
    tell(f"supervisor: {what}")


if __name__ == "__main__":
    sys.exit(main())
