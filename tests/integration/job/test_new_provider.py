"""A provider that only this test registers: nothing in job/ may need its name, and every command works with it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from infra.pods import ANY_MACHINE, PROVIDERS, LaunchRequest, Machine, Offer, Pod, PodState, ProviderKind
from job.cli import cli, submit
from job.record.documents import Submission
from job.record.run import Run
from job.run import termination
from job.run.launch import store_mark

ROOT = Path(__file__).parents[3]
NAME = "toybox"
ALONE = ("--yes", "--detach", "--unwatched")
# Machines that are rented, and share this machine's files.
KIND = partial(
    ProviderKind, title="the toy box", is_set_up=lambda: True, at_home=True, pulls_image=False, exits_end_pod=True
)


@dataclass
class Toybox:
    """A vendor of machines that never start."""

    name = NAME
    settle_seconds = 0.0
    pods: dict[str, Pod] = field(default_factory=dict)
    requests: list[LaunchRequest] = field(default_factory=list)

    def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
        return [Offer(NAME, "Toy GPU", 0.4, available=True)]

    def preview(self, request: LaunchRequest) -> dict[str, Any]:
        return {"name": request.name}

    def launch(self, request: LaunchRequest) -> Pod:
        pod_id = f"toy-{len(self.requests)}"
        self.requests.append(request)
        self.pods[pod_id] = Pod(
            pod_id,
            request.name,
            request.run_id,
            request.attempt,
            request.launch_id,
            PodState.STARTING,
            0.4,
            time.time(),
        )
        return self.pods[pod_id]

    def find(self, run_id: str | None) -> list[Pod]:
        return [pod for pod in self.pods.values() if run_id in (None, pod.run_id)]

    def terminate(self, pod_id: str) -> None:
        self.pods.pop(pod_id, None)

    def logs(self, pod_id: str) -> Iterator[bytes]:
        return iter(())


@pytest.fixture
def toybox(monkeypatch: pytest.MonkeyPatch) -> Toybox:
    vendor = Toybox()
    monkeypatch.setitem(PROVIDERS, NAME, KIND(lambda: vendor))
    monkeypatch.setattr(termination, "SILENT_AGENT_SECONDS", 0.0)
    monkeypatch.setattr(termination, "POLL_SECONDS", 0.0)
    return vendor


@pytest.fixture
def codecjob(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command of the desk, in this process, where the toy is registered."""
    monkeypatch.setattr(submit, "can_train", lambda: False)
    for name in ("RUNPOD_API_KEY", "CODECJOB_STORE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "CODECJOB_HOME"):
        monkeypatch.setenv(name, desk.env["CODECJOB_HOME"])
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words])


def test_a_whole_run_needs_the_four_steps_and_no_line_of_job(
    desk: Any, codecjob: Callable[..., Result], toybox: Toybox
) -> None:
    spec = desk.spec(provider=NAME, image="me/codec:1", max_hours=1)
    submitted = codecjob("submit", spec, *ALONE, "--json")
    assert submitted.exit_code == 0, submitted.output
    run = Run(desk.store, json.loads(submitted.stdout)["run"])
    (request,) = toybox.requests
    assert request.env["CODECJOB_EXIT_ENDS_POD"] == "1"
    assert request.command[0] == "python", "an image brings its own"

    shown = json.loads(codecjob("status", run.run_id, "--json").stdout)
    assert (shown["provider"], shown["state"], shown["billing"]) == (NAME, "starting", "on")
    assert (shown["pods"], shown["usd_per_hour"]) == (["toy-0"], 0.4)
    watched = codecjob("abort-on-bad-signs", run.run_id, "--json")
    assert json.loads(watched.stdout)["result"] == "undecided", watched.output

    stopped = json.loads(codecjob("stop", run.run_id, "--json").stdout)
    assert (stopped["outcome"]["cause"], stopped["billing"]) == ("stop requested", "off")
    assert toybox.pods == {}
    assert json.loads(codecjob("status", run.run_id, "--json").stdout)["state"] == "stopped"


def test_its_orphans_are_found_by_status_and_ended_by_the_watchdog(
    desk: Any, codecjob: Callable[..., Result], toybox: Toybox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job.watch.reconcile.UNCLAIMED_SECONDS", 0.0)
    monkeypatch.setattr("job.watch.reconcile.PAUSE_SECONDS", 0.0)
    other = Submission(submitted=1.0, dataset="none", spec={"name": "speech", "data": "/clips"})
    Run(desk.store, "speech-20260101-000000-0000").create(other)  # of another provider, and without a pod
    launch_id = f"{store_mark(desk.store)}-lost"
    lost = Pod("toy-9", "x", "lost-20260101-000000-0000", 1, launch_id, PodState.RUNNING, 0.4, time.time() - 3600)
    toybox.pods[lost.id] = lost
    assert "toybox toy-9 (0.40 USD/h)" in codecjob("status").stderr
    assert codecjob("abort-on-bad-signs", "--all").exit_code == 21
    assert toybox.pods == {}


def test_job_compares_no_provider_by_its_name() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "job").rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        for name in PROVIDERS
        if f'provider == "{name}"' in line or f'provider != "{name}"' in line or f'.name == "{name}"' in line
    ]
    assert found == []
    assert not [path for path in (ROOT / "job").rglob("*.py") if NAME in path.read_text(encoding="utf-8")]
