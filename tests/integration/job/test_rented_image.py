"""The image of a rented pod, from the command to the request: real registries, an S3 server, the fake of RunPod."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import docker
from fakes.runpod.desk import Desk
from infra.pods.runpod import RunPodProvider
from job.cli import submit as submit_module
from job.cli.resume import command as resume
from job.record.run import Run
from job.run.termination import end
from servers.images import push_empty
from servers.registry import Registry


def spec(desk: Any, image: str, **changes: Any) -> Path:
    rented = {"provider": "runpod", "image": image, "access": {"share_own_key": True}, "max_price_per_hour": 0.3}
    path: Path = desk.spec(**rented, **changes)
    return path


def test_every_attempt_runs_the_image_that_the_tag_named_at_the_start(
    client: Any,
    runpod_desk: Desk,
    engine: docker.DockerClient,
    registry: Registry,
    token_registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tag = f"{token_registry.host}/{push_empty(engine, registry, 'public')}"
    job = spec(client, tag)
    monkeypatch.setattr(submit_module, "can_train", lambda: False)  # as on a laptop without torch: no two steps first
    monkeypatch.setattr(RunPodProvider, "settle_seconds", 0.0)
    for name, value in client.env.items():
        monkeypatch.setenv(name, value)

    def call(command: click.Command, *words: str) -> Result:
        done = CliRunner().invoke(command, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done

    dry = call(submit_module.command, str(job), "--dry-run").stdout
    (line,) = [line for line in dry.splitlines() if line.startswith("note     image ")]
    assert "codecjob 1.2.3, CUDA 13.0" in line
    assert line.endswith("to pull, public")
    pinned = line.split()[2].removesuffix(":")
    assert f'"image": "{pinned}"' in dry, "what is sent"

    started = call(submit_module.command, str(job), "--yes", "--detach", "--unwatched", "--json")
    run = Run(client.store, json.loads(started.stdout)["run"])
    assert (run.spec().image, run.spec().pod.min_cuda) == (pinned, "13.0")
    end(runpod_desk.provider, run.attempt(1), "lost", "for the test", "test", str, agent_grace=0.0)
    again = call(resume, run.run_id, "--yes", "--detach", "--unwatched")
    for stderr in (started.stderr, again.stderr):
        assert "warning: the pod gets your own key" in stderr
    bodies = [pod.body for pod in runpod_desk.account.pods.values()]
    assert [(body["image"], body["gpu"]["minCudaVersion"]) for body in bodies] == [(pinned, "13.0")] * 2


def test_an_image_that_cannot_be_pulled_is_never_paid_for(
    client: Any, runpod_desk: Desk, engine: docker.DockerClient, registry: Registry
) -> None:
    tag = f"{registry.host}/{push_empty(engine, registry, 'me')}"
    done = client.command("submit", spec(client, tag), "--detach", "--unwatched")
    assert done.returncode == 2
    assert "pod.registry" in done.stderr
    assert "Traceback" not in done.stderr
    assert runpod_desk.account.pods == {}
    assert list(client.store.list("runs/")) == []
