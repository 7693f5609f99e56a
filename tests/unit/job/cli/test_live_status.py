"""Looking again and again: on a real terminal, in a file, and while the store is away."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from fakes.records import add_run, rows, run_id
from helpers import StoreProxy
from infra.pods import LaunchRequest
from infra.pods.local import LocalProvider
from infra.store import Store, StoreError, Unavailable, open_store
from job.cli import live_status
from job.cli.live_status import watch
from job.cli.status_views import ManyRuns, OneRun
from job.errors import UsageError
from job.record.documents import Outcome
from job.record.run import Run

ENOUGH_SECONDS = 300.0


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CODECJOB_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("RUNPOD_API_KEY", "NO_COLOR", "CODECJOB_STORE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def living(store: Store, tmp_path: Path) -> Iterator[Run]:
    """A run with a real pod."""
    provider = LocalProvider(tmp_path)
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    provider.launch(LaunchRequest("x", run_id(0), 1, "launch-1", command, {}))
    yield add_run(store, run_id(0), time.time(), rows())
    for pod in provider.find(None):
        provider.terminate(pod.id)


def end(run: Run, tmp_path: Path) -> None:
    run.attempt(1).write_once("outcome.json", Outcome(outcome="succeeded", reason="done", by="agent", time=time.time()))
    provider = LocalProvider(tmp_path)
    for pod in provider.find(run.run_id):
        provider.terminate(pod.id)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *words: str, columns: int = 80, lines: int = 30) -> None:
        self.told = b""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "job", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
        )
        os.close(slave)
        self.master = master

    def until(self, what: Callable[[bytes], bool]) -> None:
        """Reads until something has been printed."""
        until = time.monotonic() + ENOUGH_SECONDS
        while not what(self.told):
            assert time.monotonic() < until, self.told[-2000:]
            if not self._read():
                assert what(self.told), self.told[-2000:]

    def end(self) -> int:
        """Reads to the end, and gives the exit code."""
        while self._read():
            pass
        return self.process.wait(ENOUGH_SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(ENOUGH_SECONDS)
        os.close(self.master)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], ENOUGH_SECONDS)
        assert ready, "nothing more was printed"
        try:
            data = os.read(self.master, 65536)
        except OSError:  # what a terminal says once nobody writes to it any more
            return False
        self.told += data
        return bool(data)


@pytest.mark.slow
def test_a_terminal_is_painted_over_without_being_erased_until_the_run_has_ended(
    living: Run, store: Store, tmp_path: Path
) -> None:
    terminal = Terminal("status", living.run_id, "--watch", "--store", store.url)
    try:
        terminal.until(lambda told: told.count(b"training") >= 3)
        end(living, tmp_path)
        assert terminal.end() == 0
    finally:
        terminal.close()
    on_screen, _, after = terminal.told.partition(b"\x1b[?1049l")
    assert on_screen.startswith(b"\x1b[?1049h")
    assert b"\x1b[2J" not in on_screen
    assert b"\x1b[2K" not in on_screen, "an erased line is what flickers"
    assert b"succeeded" in after, "the last picture stays"
    assert b"reading" in on_screen, "something is shown before anything is known"


@pytest.mark.slow
def test_ctrl_c_ends_the_watch_and_not_the_run(living: Run, store: Store) -> None:
    terminal = Terminal("status", "--watch", "--store", store.url, columns=40)
    try:
        terminal.until(lambda told: b"training" in told)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
    finally:
        terminal.close()
    assert b"no longer watching; what runs goes on" in terminal.told
    assert living.attempt(1).stop_request() is None


class Away(StoreProxy):
    """A store that gives no answer to every look but some, counted from 1, of which the last ends the run."""

    def __init__(self, store: Store, answers: set[int], at_last: Callable[[], None]) -> None:
        super().__init__(store)
        self.answers = answers
        self.at_last = at_last
        self.looks = 0

    def folders(self, prefix: str) -> object:
        if prefix == "runs/":
            self.looks += 1
            if self.looks == max(self.answers):
                self.at_last()
            if self.looks not in self.answers:
                raise Unavailable("cannot list objects: timeout")
        return self.store.folders(prefix)


@pytest.mark.slow
@pytest.mark.parametrize("answers", [{1, 4}, {3}])
def test_a_store_that_is_away_is_said_once_and_asked_again(
    living: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    answers: set[int]
) -> None:  # fmt: skip
    monkeypatch.setattr(live_status, "REFRESH_SECONDS", 0.01)
    away = Away(store, answers, lambda: end(living, tmp_path))
    watch(Console(width=200), ManyRuns(lambda: away, 20), quiet=False)  # type: ignore[arg-type]
    told = capsys.readouterr()
    assert told.err.count("no answer, asking again: cannot list objects: timeout") == 1
    assert told.out.count(run_id(0)) == len(answers), "one picture for each change"
    assert "succeeded" in told.out.splitlines()[-1]
    assert away.looks == max(answers)


@pytest.mark.slow
def test_on_a_terminal_trouble_stands_above_the_last_picture(
    living: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live_status, "REFRESH_SECONDS", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    away = Away(store, {1, 3}, lambda: end(living, tmp_path))
    watch(Console(width=100, height=30, force_terminal=True), ManyRuns(lambda: away, 20), quiet=False)  # type: ignore[arg-type]
    frames = capsys.readouterr().out.split("\x1b[H")
    assert any("no answer since" in frame and run_id(0) in frame for frame in frames)


@pytest.mark.parametrize("error", [StoreError("no such bucket"), UsageError("no such run")])
def test_what_has_never_been_seen_and_does_not_come_back_ends_the_watch(store: Store, error: Exception) -> None:
    class Gone:
        url = store.url

        def folders(self, prefix: str) -> object:
            raise error

    with pytest.raises(type(error)):
        watch(Console(), ManyRuns(Gone, 20), quiet=False)  # type: ignore[arg-type]


@pytest.mark.slow
def test_json_comes_when_the_run_has_ended(living: Run, store: Store, tmp_path: Path) -> None:
    source = OneRun(living.run_id, store.url)
    end(living, tmp_path)
    watch(Console(), source, quiet=True)
    assert source.document()["state"] == "succeeded"
