import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codec.config import TrainConfig
from codec.tracking import start_tracking

ROW = {"kind": "validation", "step": 3, "time": 1.0, "snr_db": 2.5, "perplexity": [0.1, 0.2], "config": {}}


def config(tmp_path: Path, mode: str, use: bool = True) -> TrainConfig:
    return TrainConfig(data_dir="", checkpoint_dir=str(tmp_path), use_wandb=use, wandb_mode=mode)


@pytest.mark.parametrize(("mode", "use"), [("disabled", True), ("online", False)])
def test_off_leaves_no_trace(tmp_path: Path, mode: str, use: bool) -> None:
    said: list[str] = []
    tracker = start_tracking(config(tmp_path, mode, use), said.append)
    tracker.log(ROW)
    tracker.finish()
    assert (said, list(tmp_path.iterdir())) == ([], [])


def test_offline_keeps_the_run_in_the_folder(tmp_path: Path) -> None:
    said: list[str] = []
    tracker = start_tracking(config(tmp_path, "offline"), said.append)
    tracker.log(ROW)
    tracker.finish()
    assert said == []
    assert list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))


def test_online_without_a_key_is_said_in_one_line_and_waits_for_nobody(tmp_path: Path) -> None:
    script = (
        "import sys; from codec.config import TrainConfig; from codec.tracking import start_tracking\n"
        "config = TrainConfig(data_dir='', checkpoint_dir=sys.argv[1], use_wandb=True)\n"
        "tracker = start_tracking(config, print)\n"
        "tracker.log({'kind': 'train', 'step': 1, 'loss': 1.0}); tracker.finish()\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    environment |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc")}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        env=environment,
        check=True,
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.stdout.startswith("wandb could not start (no API key: set WANDB_API_KEY")
    assert done.stdout.count("\n") == 1
    assert time.monotonic() - began < 30


def test_a_client_that_breaks_midway_is_dropped(tmp_path: Path) -> None:
    said: list[str] = []
    tracker = start_tracking(config(tmp_path, "offline"), said.append)
    tracker._run.finish()  # as a crashed client leaves it
    tracker.log(ROW)
    tracker.log(ROW)
    assert len(said) == 1
    assert "training goes on without it" in said[0]


def test_an_id_from_outside_is_the_run_s_own_in_every_attempt(tmp_path: Path) -> None:
    script = (
        "import sys; from codec.config import TrainConfig; from codec.tracking import start_tracking\n"
        "config = TrainConfig(data_dir='', checkpoint_dir=sys.argv[1], use_wandb=True, wandb_mode='offline')\n"
        "tracker = start_tracking(config, print)\n"
        "tracker.log({'kind': 'train', 'step': 1, 'loss': 1.0}); tracker.finish()\n"
    )
    environment = {**os.environ, "WANDB_RUN_ID": "speech-20250102-030405-00ff", "WANDB_RESUME": "allow"}
    for attempt in ("1", "2"):
        folder = tmp_path / attempt
        folder.mkdir()
        command = [sys.executable, "-c", script, folder]
        done = subprocess.run(command, env=environment, check=True, text=True, capture_output=True, timeout=60)
        assert done.stdout == ""
        assert list(folder.glob("wandb/offline-run-*/run-speech-20250102-030405-00ff.wandb"))
