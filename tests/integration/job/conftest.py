"""Whole runs of a tiny trainer on real clips, started by the real command in processes that may be killed."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from click.testing import CliRunner, Result

from fakes.runpod.desk import Desk as RunPodDesk
from fakes.tiny import TINY
from helpers import PATIENCE_SECONDS, wait_until
from infra.pods import Provider
from infra.pods.local import LocalProvider
from infra.pods.runpod import RunPodProvider
from infra.store import open_store
from job.cli import cli, submit
from job.record.attempt import Attempt
from job.record.run import Run
from job.verdict.rules.limits import DEFAULT_CAUSES
from servers.server import S3Server, use

ROOT = Path(__file__).parents[3]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CLIPS = ROOT / "examples" / "telugu" / "clips"
SMALL = {**TINY, "num_epochs": 2, "learning_rate": 1e-3, "warmup_steps": 5}

# Judges nothing but hard faults, however short and senseless the training.
LENIENT = {"epoch": 1_000_000, "min_steps": 1, "causes": dict.fromkeys(DEFAULT_CAUSES)}


@dataclass
class Desk:
    """A user's machine: a home of its own, a folder of clips, a spec, and the command."""

    folder: Path
    provider: Provider = field(init=False)

    def __post_init__(self) -> None:
        self.env = {**os.environ, "CODECJOB_HOME": str(self.folder / "home"), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
        self.env.pop("CODECJOB_STORE", None)
        self.provider = LocalProvider(self.folder / "home")
        self.store = open_store(str(self.folder / "home" / "store"))
        self.image = ""
        """What containers run, where the desk's runs are containers."""

    def spec(self, **changes: Any) -> Path:
        """A spec of a tiny run that no checklist ends; ``train`` and other keys may be changed."""
        train = {**SMALL, **changes.pop("train", {})}
        never = {"epoch": 1_000_000, "min_steps": 0}  # a min_steps beyond the last step is refused
        document = {"name": "tiny", "data": str(self.folder / "clips"), "train": train, "checklist": never, **changes}
        path = self.folder / f"{document['name']}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    def command(self, *words: str | Path, timeout: float = 180) -> "subprocess.CompletedProcess[str]":
        """Runs codecjob to its end."""
        return subprocess.run(
            [sys.executable, "-m", "job", *map(str, words)],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def submit(self, spec: Path) -> Run:
        """Starts a run and returns at once."""
        done = self.command("submit", spec, "--detach", "--json")
        assert done.returncode == 0, done.stderr
        return Run(self.store, json.loads(done.stdout)["run"])

    def wait_for(self, what: Callable[[], Any]) -> Any:
        """Polls until something is true, and returns it."""
        return wait_until(what)

    def wait_for_end(self, attempt: Attempt) -> str:
        """Waits for outcome and for the pod to be gone; returns the outcome's name."""
        outcome = self.wait_for(attempt.outcome)
        self.wait_for(lambda: not self.provider.find(attempt.run_id))
        return str(outcome.outcome)

    def processes(self, run: Run, module: str) -> list[psutil.Process]:
        """The living processes of a run that run a module, such as job.pod.agent."""
        pods = {pod.id for pod in self.provider.find(run.run_id)}
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("CODECJOB_POD_ID") in pods
                if mine and module in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield from _furnished(tmp_path)


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk for tests that only look at what one of them has let happen."""
    yield from _furnished(tmp_path_factory.mktemp("desk"))


def _furnished(folder: Path) -> Iterator[Desk]:
    clips = folder / "clips"
    clips.mkdir()
    for path in sorted(CLIPS.glob("*.flac"))[:6]:
        shutil.copy(path, clips)
    desk = Desk(folder)
    yield desk
    for pod in desk.provider.find(None):
        desk.provider.terminate(pod.id)


@pytest.fixture
def container_desk(desk: Desk, image: str, engine: Any) -> Iterator[Desk]:
    """A desk whose runs go to the Docker engine, and which leaves nothing of them there."""
    from infra.pods.docker import DockerProvider

    docker = DockerProvider()
    at_home, desk.provider, desk.image = desk.provider, docker, image
    yield desk
    desk.provider = at_home  # the desk ends all pods that it sees: here others' too
    for run_id in desk.store.folders("runs/"):
        for pod in docker.find(run_id):
            docker.terminate(pod.id)
        assert [each.name for each in engine.networks.list(filters={"label": f"codecjob.run={run_id}"})] == []


@pytest.fixture
def terminal() -> Callable[..., tuple[int, str]]:
    """terminal(env, command, columns, answer): (exit code, all that a terminal was sent, without its escapes).

    The answer is typed at the first question. A line that is drawn over and over comes each time.
    """

    def run(
        env: dict[str, str], command: list[str | Path], columns: int = 40, answer: str | None = None
    ) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")} | {"TERM": "xterm"}
        process = subprocess.Popen([str(word) for word in command], env=env, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown, until = b"", time.monotonic() + PATIENCE_SECONDS
        try:
            while time.monotonic() < until:
                if not select.select([ours], [], [], 1.0)[0]:
                    continue
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
                if answer is not None and b"[y/N]" in shown:
                    os.write(ours, answer.encode() + b"\n")
                    answer = None
            return process.wait(timeout=PATIENCE_SECONDS), ESCAPE.sub("", shown.decode()).replace("\r", "\n")
        finally:
            process.kill()
            os.close(ours)

    return run


@pytest.fixture
def client(desk: Any, runpod_desk: RunPodDesk, radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A desk whose pods are rented, and are nothing but paper."""
    use(radosgw, monkeypatch)
    url = open_store(radosgw.new_url()).url
    desk.store = open_store(url)
    desk.env = {name: value for name, value in desk.env.items() if not name.startswith("AWS_")}
    desk.env |= {
        **radosgw.env(),
        "CODECJOB_STORE": url,
        "CODECJOB_RUNPOD_URL": runpod_desk.server.url,
        "RUNPOD_API_KEY": runpod_desk.account.key,
        "DOCKER_CONFIG": str(desk.folder / "no-login"),
    }
    here = desk.provider
    desk.provider = runpod_desk.provider
    yield desk
    desk.provider = here


@pytest.fixture
def codecjob(client: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command of that desk, in this process, where nobody can be asked."""
    monkeypatch.setattr(submit, "can_train", lambda: False)
    monkeypatch.setattr(RunPodProvider, "settle_seconds", 0.0)
    for name in [name for name in os.environ if name.startswith("AWS_") and name not in client.env]:
        monkeypatch.delenv(name)
    for name, value in client.env.items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words])
