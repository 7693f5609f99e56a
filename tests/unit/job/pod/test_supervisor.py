"""The pod's first process, on a clock of the test's own: what it does when nothing else does what it should."""

import signal
import subprocess
from types import SimpleNamespace

import pytest

from job.pod import supervisor

RENTED = {"CODECJOB_PROVIDER": "runpod"}


class Clocks:
    """Both clocks of a machine, which only a wait moves."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.wall_ahead = 1e9
        self.module = SimpleNamespace(time=lambda: self.passed + self.wall_ahead, monotonic=lambda: self.passed)


class Agent:
    """Never ends, unless it is one that SIGTERM or SIGKILL can end."""

    def __init__(self, clocks: Clocks, dies_of: str = "") -> None:
        self.clocks, self.dies_of = clocks, dies_of
        self.told: list[float] = []
        self.code: int | None = None

    def wait(self, timeout: float) -> int:
        self.clocks.passed += timeout
        if self.code is None:
            raise subprocess.TimeoutExpired("agent", timeout)
        return self.code

    def send_signal(self, sig: int) -> None:
        self.told.append(self.clocks.passed)
        self.code = 0 if self.dies_of == "SIGTERM" else None

    def kill(self) -> None:
        self.code = -9 if self.dies_of == "SIGKILL" else None


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(supervisor, "time", clocks.module)
    return clocks


def test_a_clock_that_is_set_back_does_not_move_the_deadline(clocks: Clocks) -> None:
    agent = Agent(clocks, "SIGTERM")
    deadline = clocks.module.time() + 100
    wait = agent.wait

    def set_back(timeout: float) -> int:
        clocks.wall_ahead = 0.0
        return wait(timeout)

    agent.wait = set_back  # type: ignore[method-assign]
    assert supervisor.supervise(agent, deadline, []) == 0
    assert 100 < agent.told[0] < 103


def test_what_cannot_be_killed_is_not_waited_for_without_an_end(clocks: Clocks) -> None:
    code = supervisor.supervise(Agent(clocks), clocks.module.time() + 100, [])
    assert code == -signal.SIGKILL
    assert clocks.passed < 100 + supervisor.GRACE_SECONDS + supervisor.KILL_SECONDS + 5


def test_an_agent_that_only_a_kill_ends_gets_its_time_first(clocks: Clocks) -> None:
    assert supervisor.supervise(Agent(clocks, "SIGKILL"), clocks.module.time() + 100, []) == -9
    assert clocks.passed > 100 + supervisor.GRACE_SECONDS


@pytest.mark.parametrize(
    ("code", "over", "left", "ends"),
    [
        (0, False, set(), False),  # it has ended its pod
        (1, False, set(), True),  # it could not
        (-9, False, set(), False),  # started again, it goes on
        (-9, True, set(), True),
        (0, True, set(), True),
        (-9, False, {7}, True),
    ],
)
def test_a_pod_that_its_agent_has_left_ends_or_goes_on(
    clocks: Clocks, code: int, over: bool, left: set[int], ends: bool
) -> None:
    deadline = clocks.module.time() + (-1 if over else 1)
    assert supervisor.has_to_end(code, deadline, left) is ends


@pytest.mark.parametrize(
    ("env", "may"),
    [
        (RENTED, True),
        (RENTED | {"NUM_NODES": "1"}, True),
        (RENTED | {"NUM_NODES": "2"}, False),
        ({"CODECJOB_EXIT_ENDS_POD": "1"}, False),
    ],
)
def test_only_a_single_pod_that_would_be_started_again_is_ended_by_its_provider(env: dict[str, str], may: bool) -> None:
    assert supervisor.may_end_pod(env) is may


def test_a_process_that_outlives_sigkill_is_named(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks.module.sleep = lambda seconds: setattr(clocks, "passed", clocks.passed + seconds)
    monkeypatch.setattr(supervisor, "_other_members", lambda: {2**22 + 1})  # no process has this number
    assert supervisor._end_group() == {2**22 + 1}
    assert clocks.passed < supervisor.CHILDREN_SECONDS + supervisor.KILL_SECONDS + 1
