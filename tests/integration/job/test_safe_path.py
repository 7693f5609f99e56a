"""Files of the user's with our modules' names, or the standard library's, beside the clips and on the pod's volume."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from infra.pods import LaunchRequest
from job.dataset import look_at, push
from job.record.documents import Claim, Submission
from job.record.run import Run
from job.run.machine import command
from job.run.pod_env import client_part
from job.spec.load import load_spec

CODECJOB = Path(sys.executable).with_name("codecjob")
FOREIGN = ["codec.py", "json.py", "codec/__init__.py", "job/__init__.py", "infra/__init__.py", "torch.py"]


def put(folder: Path, *names: str) -> Path:
    """A folder where each of these files ends whatever imports it."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"raise SystemExit('the user\\'s own {name} was imported')\n")
    return folder


def codecjob(desk: Any, folder: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [CODECJOB, *words], env=desk.env, cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_beside_the_spec_is_not_taken_for_the_trainer(desk: Any, name: str) -> None:
    folder = put(desk.folder / "mine", name)
    done = codecjob(desk, folder, "init", "job.yaml", "--data", desk.folder / "clips")
    assert done.returncode == 0, done.stderr
    assert (folder / "job.yaml").exists()


def test_preflight_and_a_run_submitted_beside_such_files_train(desk: Any) -> None:
    folder = put(desk.folder / "mine", *FOREIGN)
    spec = desk.spec()
    looked = codecjob(desk, folder, "preflight", spec)
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert "2 training steps, validation and checkpoint work here" in looked.stdout
    done = codecjob(desk, folder, "submit", spec)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["modules", "packages"])
def test_a_pod_whose_workspace_holds_such_files_trains(desk: Any, kind: str) -> None:
    """As a network volume does, which a pod starts in."""
    volume = put(
        desk.folder / "volume", *(name for name in FOREIGN if name.endswith("__init__.py") == (kind == "packages"))
    )
    spec = load_spec(desk.spec())
    run = Run(desk.store, "tiny-20260101-000000-0000")
    dataset = push(desk.store, look_at(spec.data, 16000)).dataset_id
    run.create(Submission(submitted=time.time(), dataset=dataset, spec=spec.model_dump(mode="json")))
    env = {**desk.env, **client_part(run.run_id, 1, desk.store.url, time.time() + 600)}
    words = ("sh", "-c", 'cp -r "$0"/. . && exec "$@"', str(volume), *command(spec))
    pod = desk.provider.launch(LaunchRequest("pod", run.run_id, 1, "launch", words, env))
    attempt = run.attempt(1)
    attempt.write_once("claim.json", Claim(launch_id="launch", pod_id=pod.id, price_per_hour=0.0, time=time.time()))
    outcome = desk.wait_for(attempt.outcome)
    assert outcome.outcome == "succeeded", outcome.reason
