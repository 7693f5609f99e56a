"""What holds for every test."""

import faulthandler
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["servers.fixtures", "fakes.runpod.fixtures"]

SmallDisk = Callable[..., list[str]]

# An example may take as long as it takes: a busy machine is no failure. pytest's own limit ends what hangs.
settings.register_profile("own", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("own")

# Whoever runs the tests in the background has them started with SIGINT ignored, and so would be what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """No test uses or fills the cache of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that hangs is ended by pytest-timeout; should its clean-up hang, too, its process ends: others go on."""
    last_resort = threading.Timer(1.5 * float(item.config.getini("timeout")), _give_up, [item])
    last_resort.daemon = True
    last_resort.start()
    try:
        return (yield)
    finally:
        last_resort.cancel()


def _give_up(item: pytest.Item) -> None:
    item.config.pluginmanager.getplugin("capturemanager").suspend_global_capture()
    os.write(2, f"\n{item.nodeid} hangs, and so does its clean-up: this process ends\n".encode())
    faulthandler.dump_traceback(2)
    os._exit(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CODECJOB_REQUIRE_ALL=1, as in CI, a part that is missing is a failure and not a skip."""
    report = yield
    if report.skipped and os.environ.get("CODECJOB_REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: needs a part that is missing here: {report.longrepr}"
    return report


@pytest.fixture
def small_disk() -> SmallDisk:
    """small_disk(folder, size, script, *arguments): the command that runs Python with such a disk at the folder.

    The script finds the folder as its first argument, the others behind it.
    """

    def command(folder: Path, size: str, script: str, *arguments: str) -> list[str]:
        if subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "none", folder], check=False, timeout=120
        ).returncode:
            pytest.skip("this machine does not let a test mount a small disk")
        mount = f'mount -t tmpfs -o size={size} none "$2" && exec "$0" -c "$@"'
        return ["unshare", "-rm", "sh", "-c", mount, sys.executable, script, str(folder), *arguments]

    return command
