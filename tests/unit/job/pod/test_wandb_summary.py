"""The last word comes to the run that the trainer had opened, by wandb's own client, and holds up nobody."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fakes.wandb_file import read_offline_run
from fakes.wandb_server import wandb_server
from infra.store import Store
from job.pod import wandb_summary
from job.pod.shipper import Shipper
from job.pod.wandb_summary import LastWord, word
from job.record.documents import Outcome
from job.record.run import Run
from job.run.wandb_access import run_env
from job.spec.load import check_spec
from job.spec.model import JobSpec
from job.verdict.signs import Sign, State, Verdict

KEY = "0123456789abcdef0123456789abcdef01234567"
BAD = Verdict(State.BAD, (Sign("snr_db", State.BAD, "snr_db is -1", -1.0, "< 0", 1, 3000),), "snr_db is -1")
ABORTED = Outcome(outcome="aborted", reason="snr_db is -1", by="agent", time=1.0)
TRAINER = """
import sys
from codec.config import TrainConfig
from codec.training.wandb_tracker import start_tracking
tracker = start_tracking(TrainConfig(data_dir='', checkpoint_dir=sys.argv[1], use_wandb=True), print)
tracker.log({'kind': 'validation', 'step': 3, 'epoch': 1, 'snr_db': -1.0}); tracker.finish()
"""


def spec(**wandb: Any) -> JobSpec:
    return check_spec({"name": "speech", "data": "/clips", "wandb": {"tags": ["telugu"], **wandb}}, "here")


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("HOME", str(tmp_path))
    return []


def end(run: Run, folder: Path, job: JobSpec, said: list[str], told: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    log = folder.parent / "job.log"
    shipper = Shipper(run.attempt(1), folder, log, 1)
    LastWord(job, run.run_id, folder, log, told).end(time.monotonic() + 100, shipper, said.append)
    return log


@pytest.mark.slow
def test_an_aborted_run_has_its_verdict_its_tags_and_an_alert_beside_what_the_trainer_said(
    run: Run, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = spec(entity="lab")
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        (tmp_path / "training").mkdir()
        trainer = [sys.executable, "-c", TRAINER, tmp_path / "training"]
        subprocess.run(trainer, env={**os.environ, **run_env(job, run.run_id)}, check=True, timeout=100)
        log = end(run, tmp_path / "training", job, said, word(job, 1, BAD, ABORTED))
        kept = server.runs[run.run_id]
        [alert] = server.alerts
    assert (said, log.read_text()) == ([], "")
    assert list(server.runs) == [run.run_id]
    assert sorted(kept["tags"]) == ["telugu", "verdict:bad"]
    assert (kept["summary"]["validation/snr_db"], kept["summary"]["verdict"]) == (-1.0, "bad")
    assert (kept["summary"]["outcome"], kept["summary"]["reason"]) == ("aborted", "snr_db is -1")
    assert kept["summary"]["verdict_snr_db"] == "bad: snr_db is -1"
    assert kept["config"]["batch_size"] == {"value": 16}, "the trainer's"
    assert kept["config"]["job"]["value"]["checklist"]["min_steps"] == 3000
    assert [row["_step"] for row in kept["history"].values()] == [3]
    assert (alert["title"], alert["text"]) == (f"{run.run_id} aborted", "snr_db is -1")
    assert kept["exit_code"] == 1


def test_an_offline_word_lies_in_the_record(run: Run, store: Store, tmp_path: Path, said: list[str]) -> None:
    job = spec(mode="offline", project="codecs")
    good = Verdict(State.GOOD, (), "all is good")
    done = Outcome(outcome="succeeded", reason="training finished", by="agent", time=1.0)
    end(run, tmp_path / "training", job, said, word(job, 2, good, done))
    assert said == []
    [key] = [info.key for info in store.list(f"runs/{run.run_id}/") if info.key.endswith(".wandb")]
    assert key.startswith(f"{run.attempt(1).prefix}/wandb/offline-run-")
    store.download(key, tmp_path / "read.wandb")
    found = read_offline_run(tmp_path / "read.wandb")
    assert (found.run_id, found.project, found.exit_code) == (run.run_id, "codecs", 0)
    assert found.tags == ["telugu", "verdict:good"]
    assert (found.summary["verdict"], found.summary["attempt"], found.alerts) == ("good", 2, [])


def test_what_goes_wrong_is_a_line_of_the_log(
    run: Run, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    log = end(run, tmp_path / "training", spec(), said, word(spec(), 1, None, ABORTED))
    assert said == []
    assert log.read_text() == "wandb was not told how the attempt ended: no API key\n"


def test_a_server_that_never_answers_does_not_keep_the_pod(
    run: Run, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_summary, "SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        end(run, tmp_path / "training", spec(), said, word(spec(), 1, BAD, ABORTED))
    assert said == ["wandb was not told how the attempt ended: no answer in time"]


def test_a_shipment_stops_in_time(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "training"
    for name in ("run-1.wandb", "files/media/a.wav", "logs/debug.log"):
        path = folder / "wandb" / "offline-run-1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    shipper = Shipper(run.attempt(1), folder, tmp_path / "job.log", 1)
    assert shipper.ship_wandb(time.monotonic() - 1) == 2
    assert shipper.ship_wandb(time.monotonic() + 100) == 0
    keys = [info.key.partition("/wandb/")[2] for info in run.store.list(f"{run.attempt(1).prefix}/wandb/")]
    assert keys == ["offline-run-1/files/media/a.wav", "offline-run-1/run-1.wandb"]
