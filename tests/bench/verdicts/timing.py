"""Whole jobs on local pods: seconds from the row that shows a fault to the stop, and until nothing is billed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from infra.pods.local import LocalProvider
from infra.store import open_store
from job.record.attempt import Attempt
from job.record.run import Run
from job.verdict.signs import State
from tests.bench.verdicts.record import DATA, FLAGS

HUNG_AFTER_SECONDS = 5.0
LIMIT_SECONDS = 180.0


@dataclass(frozen=True)
class Job:
    """A bad job: its flags are bad, or its loop is made to hang."""

    name: str
    train: Mapping[str, Any]
    hang: bool = False


@dataclass(frozen=True)
class Timed:
    """A job that was ended. Seconds count from the row, or from the last beat that was allowed."""

    name: str
    seen: str
    stopped: float  # the trainer's process is gone
    billing_off: float  # the provider lists no pod


JOBS = (
    Job("rate_too_high", {"learning_rate": 3.0, "num_epochs": 20}),
    Job("rate_too_low", {"learning_rate": 1e-8, "num_epochs": 20}),
    Job("hung_loop", {"num_epochs": 1000}, hang=True),
)


def measure() -> Iterator[Timed]:
    """Submits each job, waits for its end and times it."""
    for job in JOBS:
        with tempfile.TemporaryDirectory() as folder:
            yield _run(job, Path(folder))


def table(timed: Iterator[Timed]) -> str:
    """The results in Markdown."""
    head = "| job | what was seen | stopped after | billing off after |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(f"| {t.name} | {t.seen} | {t.stopped:.1f} s | {t.billing_off:.1f} s |" for t in timed)


def _run(job: Job, folder: Path) -> Timed:
    home = folder / "home"
    provider = LocalProvider(home)
    DATA["telugu"](folder / "clips")
    run = _submit(job, folder, home)
    try:
        attempt = run.attempt(1)
        trainer = _wait(lambda: _trainer(provider, run))
        since = _hang(trainer, attempt) if job.hang else None
        _wait(lambda: not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE)
        stopped = time.time()
        _wait(lambda: not provider.find(run.run_id))
        off = time.time()
        outcome = _wait(attempt.outcome)
        if since is None:
            since, seen = _row_time(run, attempt)
        else:
            seen = outcome.reason
        return Timed(job.name, seen, stopped - since, off - since)
    finally:
        for pod in provider.find(None):
            provider.terminate(pod.id)


def _submit(job: Job, folder: Path, home: Path) -> Run:
    watch = {"silent": HUNG_AFTER_SECONDS} if job.hang else {}
    document = {
        "name": job.name.replace("_", "-"),
        "provider": "local",
        "data": "clips",
        "train": {**FLAGS, **job.train},
        "checklist": {"min_steps": 40},
        "watch": watch,
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(document))
    env = {**os.environ, "CODECJOB_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "job", "submit", "job.yaml", "--detach", "--json"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return Run(open_store(str(home / "store")), json.loads(done.stdout)["run"])


def _hang(trainer: psutil.Process, attempt: Attempt) -> float:
    """Stops the process as if it hung; returns when its silence becomes too long."""
    _wait(lambda: (beat := attempt.progress()) and beat.phase == "training" and beat.step > 20)
    trainer.send_signal(signal.SIGSTOP)
    return time.time() + HUNG_AFTER_SECONDS


def _row_time(run: Run, attempt: Attempt) -> tuple[float, str]:
    """When the row that condemned the run was written, and its signs."""
    verdict = attempt.verdict() or {}
    bad = [sign for sign in verdict["signs"] if sign["state"] == State.BAD]
    rows = [row for row in run.rows() if row.kind != "start" and row.step == bad[0]["step"]]
    # A training row and the validation after it may share a step: the verdict is of the one that came last.
    return max(row.values["time"] for row in rows), ", ".join(sign["sign"] for sign in bad)


def _trainer(provider: LocalProvider, run: Run) -> psutil.Process | None:
    pods = {pod.id for pod in provider.find(run.run_id)}
    for process in psutil.process_iter():
        try:
            if process.environ().get("CODECJOB_POD_ID") in pods and "codec" in process.cmdline():
                return process
        except psutil.Error:
            continue
    return None


def _wait(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + LIMIT_SECONDS
    while not (found := what()):
        if time.monotonic() > until:
            raise TimeoutError("the job did not get there")
        time.sleep(0.05)
    return found
