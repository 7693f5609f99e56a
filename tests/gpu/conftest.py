"""Tests of what only a GPU can show. GPU_TESTS_DEVICE=cpu runs what a CPU can of them, to see that the tests work."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from codec.training.dataset import CropDataset
from crops import small_dataset

RATE = 16000
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def device() -> torch.device:
    device = torch.device(os.environ.get("GPU_TESTS_DEVICE", "cuda"))
    if device.type == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device: run it on a machine with one")
    return device


@pytest.fixture
def cuda(device: torch.device) -> torch.device:
    """For what has no meaning on a CPU."""
    if device.type != "cuda":
        pytest.skip("only on CUDA: run it on a machine with a GPU")
    return torch.device("cuda", 0)


@pytest.fixture
def dataset() -> CropDataset:
    return small_dataset()


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Six seconds of buzzing tones."""
    folder = tmp_path / "clips"
    folder.mkdir()
    seconds = np.arange(RATE) / RATE
    for k in range(6):
        tone = sum(np.sin(2 * np.pi * n * (100 + 17 * k) * seconds + n * k) / n for n in range(1, 9))
        soundfile.write(folder / f"{k}.wav", 0.1 * tone * (1.2 + np.sin(2 * np.pi * 3 * seconds)), RATE)
    return folder


@pytest.fixture
def train(clips: Path, tmp_path: Path, device: torch.device) -> "Callable[..., subprocess.CompletedProcess[str]]":
    """train(**flags): a tiny `codec train` into tmp_path/run, ended."""

    def run(**flags: object) -> "subprocess.CompletedProcess[str]":
        tiny = {
            "data_dir": clips, "checkpoint_dir": tmp_path / "run", "hidden_dim": 16, "strides": "2,4",
            "num_quantizers": 2, "codebook_size": 16, "codebook_dim": 4, "segment_length": 1600, "batch_size": 4,
            "num_epochs": 2, "learning_rate": "1e-3", "warmup_steps": 5, "device": device.type,
        }  # fmt: skip
        words = [str(word) for name, value in {**tiny, **flags}.items() for word in (f"--{name}", value)]
        command = [sys.executable, "-m", "codec", "train", *words]
        return subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, timeout=500, check=False)

    return run
