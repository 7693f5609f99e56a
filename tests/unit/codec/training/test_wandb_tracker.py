import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.config import TrainConfig
from codec.training.wandb_tracker import start_tracking
from fakes.wandb_file import finished_offline_run
from fakes.wandb_server import wandb_server

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


def test_offline_keeps_config_numbers_and_audio_and_is_read_back(tmp_path: Path) -> None:
    samples = tmp_path / "samples" / "0000"
    samples.mkdir(parents=True)
    for name in ("0-original", "0-decoded"):
        soundfile.write(samples / f"{name}.wav", np.linspace(-0.5, 0.5, 800), 16000)
    said: list[str] = []
    tracker = start_tracking(config(tmp_path, "offline"), said.append)
    tracker.log({"kind": "train", "step": 0, "epoch": 0, "loss": float("nan")})
    tracker.log({**ROW, "epoch": 0}, samples)
    tracker.log({**ROW, "step": 4, "epoch": 1, "snr_db": 3.5}, samples)
    tracker.finish()
    assert said == []
    [kept] = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    run = finished_offline_run(kept)
    assert run.project == "codecjob"
    assert (run.config["batch_size"], run.config["strides"]) == (16, [2, 2, 2, 2, 5])
    first, then, last = run.history
    assert first["train/loss"] != first["train/loss"]  # NaN
    assert (then["_step"], then["validation/snr_db"], then["validation/perplexity/1"]) == (3, 2.5, 0.2)
    assert (last["_step"], last["validation/snr_db"]) == (4, 3.5)
    assert last["samples/0-decoded.caption"] == "epoch 1"
    played = kept.parent / "files" / last["samples/0-decoded.path"]
    assert played.read_bytes() == (samples / "0-decoded.wav").read_bytes()
    assert "samples/0-original.path" in then
    assert "samples/0-original.path" not in last


@pytest.mark.slow
def test_online_without_a_key_is_said_in_one_line_and_waits_for_nobody(tmp_path: Path) -> None:
    script = (
        "import sys; from codec.config import TrainConfig; from codec.training.wandb_tracker import start_tracking\n"
        "config = TrainConfig(data_dir='', checkpoint_dir=sys.argv[1], use_wandb=True)\n"
        "tracker = start_tracking(config, print)\n"
        "tracker.log({'kind': 'train', 'step': 1, 'loss': 1.0}); tracker.finish()\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    environment |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc")}
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        env=environment,
        check=True,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert done.stdout.startswith("wandb could not start (no API key: set WANDB_API_KEY")
    assert done.stdout.count("\n") == 1


def test_a_client_that_breaks_midway_is_dropped(tmp_path: Path) -> None:
    said: list[str] = []
    tracker = start_tracking(config(tmp_path, "offline"), said.append)
    tracker._run.finish()  # as a crashed client leaves it
    tracker.log(ROW)
    tracker.log(ROW)
    assert len(said) == 1
    assert "training goes on without it" in said[0]


@pytest.mark.slow
def test_an_id_from_outside_is_the_run_s_own_in_every_attempt(tmp_path: Path) -> None:
    script = (
        "import sys; from codec.config import TrainConfig; from codec.training.wandb_tracker import start_tracking\n"
        "config = TrainConfig(data_dir='', checkpoint_dir=sys.argv[1], use_wandb=True, wandb_mode='offline')\n"
        "tracker = start_tracking(config, print)\n"
        "tracker.log({'kind': 'train', 'step': 1, 'loss': 1.0}); tracker.finish()\n"
    )
    environment = {**os.environ, "WANDB_RUN_ID": "speech-20250102-030405-00ff", "WANDB_RESUME": "allow"}
    for attempt in ("1", "2"):
        folder = tmp_path / attempt
        folder.mkdir()
        command = [sys.executable, "-c", script, folder]
        done = subprocess.run(command, env=environment, check=True, text=True, capture_output=True, timeout=300)
        assert done.stdout == ""
        assert list(folder.glob("wandb/offline-run-*/run-speech-20250102-030405-00ff.wandb"))


ONLINE = """
import sys, codec.training.wandb_tracker as tracking
from codec.config import TrainConfig
tracking.START_SECONDS, tracking.FINISH_SECONDS = 3, 2
config = TrainConfig(data_dir='', checkpoint_dir=sys.argv[1], use_wandb=True)
tracker = tracking.start_tracking(config, print)
tracker.log({'kind': 'train', 'step': 1, 'loss': 1.0})
print('trains', flush=True)
sys.stdin.readline()
tracker.log({'kind': 'train', 'step': 2, 'loss': 0.5}); tracker.finish()
print('has trained')
"""


def online(folder: Path, url: str) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    environment |= {"WANDB_BASE_URL": url, "WANDB_API_KEY": "0123456789" * 4, "HOME": str(folder)}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", ONLINE, folder]
    return subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_where_the_server_refuses_training_goes_on_and_says_so(tmp_path: Path) -> None:
    with wandb_server() as server:
        server.refuse = True
        process = online(tmp_path, server.url)
        said, _ = process.communicate("\n", timeout=100)
    lines = said.splitlines()
    assert lines[0].startswith("wandb could not start (")
    assert lines[0].endswith("); training goes on without it")
    assert (lines[1:], process.returncode) == (["trains", "has trained"], 0)


@pytest.mark.slow
def test_a_network_that_goes_away_holds_up_neither_the_training_nor_its_end(tmp_path: Path) -> None:
    with wandb_server() as server:
        process = online(tmp_path, server.url)
        assert process.stdout is not None
        assert process.stdout.readline() == "trains\n"
        server.refuse = True
        said, _ = process.communicate("\n", timeout=100)
    assert said.startswith("wandb did not finish (")
    assert said.endswith("has trained\n")
    assert process.returncode == 0
