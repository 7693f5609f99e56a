"""Every command that acts, with a stdout and a stderr that take nothing: no pod lives on for it."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import pytest

from infra.pods import LaunchRequest
from infra.store import open_store
from job.cli import cli
from job.record.documents import Beat, Claim, Submission
from job.record.run import Run
from job.run import launch, termination
from job.run.offers import look_for
from job.spec.load import load_spec
from job.watch import reconcile

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
HOUR = 3600.0


def full() -> TextIO:
    return Path("/dev/full").open("w")


def closed() -> TextIO:
    file = full()
    file.close()
    return file


def pipe() -> TextIO:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def absent() -> None:
    return None


STREAMS = [full, closed, pipe, absent]


@pytest.fixture
def mute(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a command in this process with streams that fail, and hurries it; returns its exit code."""
    for name in ("CODECJOB_HOME", "NO_COLOR"):
        monkeypatch.setenv(name, desk.env[name])
    monkeypatch.delenv("CODECJOB_STORE", raising=False)
    monkeypatch.setattr(termination, "SILENT_AGENT_SECONDS", 0.2)
    monkeypatch.setattr(reconcile, "UNCLAIMED_SECONDS", 0.0)
    monkeypatch.setattr("job.watch.end_reasons.UNCLAIMED_SECONDS", 0.0)
    monkeypatch.setattr(reconcile, "PAUSE_SECONDS", 0.1)

    def run(stream: Callable[[], TextIO | None], *words: str) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream())
            patch.setattr(sys, "stderr", stream())
            with pytest.raises(SystemExit) as ended:
                cli(list(words), prog_name="codecjob")
        code = ended.value.code
        assert isinstance(code, int)
        return code

    return run


def past_its_end(desk: Any, max_hours: float = 1.0) -> Run:
    """A run two hours past its deadline; its pod is a process that sleeps."""
    run = Run(desk.store, "tiny-20260101-000000-0000")
    job = load_spec(desk.spec(max_hours=max_hours))
    then = time.time() - 2 * HOUR - max_hours * HOUR
    run.create(Submission(submitted=then, dataset="none", spec=job.model_dump(mode="json")))
    planned = launch.plan(desk.store, run.run_id, 1, job, look_for(desk.provider, job).candidates)
    times = {"time": then, "deadline": then + max_hours * HOUR}
    run.attempt(1).write_once("intent.json", planned.intent.model_copy(update=times))
    pod = desk.provider.launch(replace(planned.requests[0], command=SLEEP))
    claim = Claim(launch_id=planned.requests[0].launch_id, pod_id=pod.id, price_per_hour=0.0, time=then)
    run.attempt(1).write_once("claim.json", claim)
    run.attempt(1).write("alive.json", Beat(state="training", time=then))
    return run


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(
    "words",
    [
        ("abort-on-bad-signs", "--all"),
        ("abort-on-bad-signs", "tiny"),
        ("abort-on-bad-signs", "tiny", "--watch"),
        ("abort-on-bad-signs", "tiny", "--json"),
        ("stop", "tiny"),
        ("stop", "tiny", "--json"),
    ],
)
def test_a_run_past_its_end_is_ended_by_whoever_cannot_say_so(
    desk: Any, mute: Callable[..., int], stream: Callable[[], TextIO | None], words: tuple[str, ...]
) -> None:
    run = past_its_end(desk)
    code = mute(stream, *words, "--store", desk.store.url)
    assert desk.provider.find(None) == []
    assert run.attempt(1).outcome() is not None
    assert code == (0 if words[0] == "stop" else 21)


@pytest.mark.parametrize("stream", STREAMS)
def test_an_orphan_is_ended_by_whoever_cannot_say_so(
    desk: Any, mute: Callable[..., int], stream: Callable[[], TextIO | None]
) -> None:
    past_its_end(desk)
    job = load_spec(desk.spec())
    planned = launch.plan(desk.store, "lost-20260101-000000-0000", 1, job, look_for(desk.provider, job).candidates)
    orphan: LaunchRequest = replace(planned.requests[0], command=SLEEP)
    pod = desk.provider.launch(orphan)
    code = mute(stream, "reconcile", "--terminate", "--store", desk.store.url)
    assert pod.id not in [pod.id for pod in desk.provider.find(None)]
    assert code == 21


@pytest.mark.parametrize("stream", STREAMS)
def test_prune_goes_on(desk: Any, mute: Callable[..., int], stream: Callable[[], TextIO | None]) -> None:
    run = past_its_end(desk)
    for step in range(1, 6):
        run.store.put(f"runs/{run.run_id}/attempts/1/checkpoints/{step:08d}/model", b"m")
        manifest = b'{"step": %d, "finite": true, "files": {"model": {"size": 1}}}' % step
        run.store.put(f"runs/{run.run_id}/attempts/1/checkpoints/{step:08d}/manifest.json", manifest)
    code = mute(stream, "prune", "--all", "--store", desk.store.url)
    assert code == 0
    assert len(Run(open_store(desk.store.url), run.run_id).checkpoints()) == 3
