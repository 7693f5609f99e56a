"""`make unit` stays quick: there a test that starts a process fails. Marked `slow`, it is left to `make test`."""

import sys
from collections.abc import Generator

import pytest

# Python's audit events of every way to start a process.
STARTS = frozenset({"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system", "os.exec"})

_started: list[str] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event in STARTS:
        _started.append(f"{event}{arguments[:2]}")


sys.addaudithook(_hear)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that starts a process without being marked."""
    _started.clear()
    result = yield
    if _started and "not slow" in item.config.option.markexpr:
        pytest.fail(f"a unit test starts a process: mark it slow, or move it to tests/integration: {_started[0]}")
    return result
