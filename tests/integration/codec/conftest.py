"""A tiny training: a model that learns nothing much from six seconds of tones, but does every step of a run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

REPOSITORY = Path(__file__).parents[3]
TINY = {
    "hidden_dim": "8", "strides": "2,4", "num_quantizers": "2", "codebook_size": "16", "codebook_dim": "4",
    "segment_length": "1600", "batch_size": "4", "num_epochs": "2", "learning_rate": "1e-3", "warmup_steps": "5",
    "device": "cpu",
}  # fmt: skip


@dataclass(frozen=True)
class Trainer:
    """The trainer as a process of its own, on one folder."""

    clips: Path
    folder: Path

    def command(self, ranks: int = 1, look_seconds: float = 0.1, **flags: object) -> list[str]:
        values = {"data_dir": self.clips, "checkpoint_dir": self.folder, **TINY, **flags}
        arguments = [part for name, value in values.items() for part in (f"--{name}", str(value))]
        if ranks == 1:
            return [sys.executable, "-m", "codec", "train", *arguments]
        launcher = ["--standalone", "--nproc_per_node", str(ranks), "--monitor-interval", str(look_seconds)]
        return [sys.executable, "-m", "codec.launch", *launcher, "train", *arguments]

    def start(self, **flags: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(**flags),
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, **flags: Any) -> tuple[int, str, str]:
        return finish(self.start(**flags))

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """The rows of one kind, those of work that was lost and done again left out."""
        kept: list[dict[str, Any]] = []
        for line in (self.folder / "metrics.jsonl").read_text().splitlines():
            row = json.loads(line)
            if row["kind"] == "start":
                kept = [earlier for earlier in kept if earlier["step"] <= row["step"]]
            kept.append(row)
        return [row for row in kept if row["kind"] == kind]

    def progress(self) -> dict[str, Any]:
        path = self.folder / "progress.json"
        return dict(json.loads(path.read_text())) if path.exists() else {"phase": "", "epoch": -1}


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=500)
    return process.returncode, out, err


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[[str], Trainer]:
    """trainer(name): a trainer on tmp_path/name; all share clips: five to learn from, one held out."""
    clips = tmp_path / "clips"
    clips.mkdir()
    seconds = np.arange(16000) / 16000
    for k in range(6):
        tone = sum(np.sin(2 * np.pi * n * (100 + 17 * k) * seconds + n * k) / n for n in range(1, 9))
        soundfile.write(clips / f"{k}.wav", 0.1 * tone * (1.2 + np.sin(2 * np.pi * 3 * seconds)), 16000)
    return lambda name: Trainer(clips, tmp_path / name)
