"""The trainings that are compared: two normalizations, several seeds, everything else the same."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codec.audio import find_audio

ROOT = Path(__file__).parents[3]
SYNTHETIC = ROOT / "examples" / "telugu" / "clips"
# Speech of real people, which is not part of this project.
REAL_SPEECH = ROOT.parent / "shared" / "data" / "real-speech"
EVERY = 3  # every third clip: a minute and a half of speech, so that an epoch takes seconds on one core
MODULES = {"level": "codec", "peak": "tests.bench.normalization.peak"}

# 200 frames a second, 8 stages of 8 bits: 12.8 kbit/s.
FLAGS: dict[str, Any] = {
    "hidden_dim": 64,
    "strides": "4,4,5",
    "num_quantizers": 8,
    "codebook_size": 256,
    "codebook_dim": 32,
    "segment_length": 4000,
    "batch_size": 8,
    "num_epochs": 20,
    "learning_rate": 1e-3,
    "warmup_steps": 50,
    "validation_share": 0.15,
    "device": "cpu",
}


@dataclass(frozen=True)
class Training:
    """One training's validation rows, by epoch."""

    normalization: str  # level, peak
    seed: int
    rows: tuple[dict[str, Any], ...]

    def at(self, epoch: int, field: str) -> float:
        """A field of the row after `epoch`."""
        return float(next(row[field] for row in self.rows if row["epoch"] == epoch))


def some_clips(source: Path, folder: Path) -> int:
    """Copy some clips, evenly spread, of `source` into `folder`; returns how many."""
    folder.mkdir(parents=True)
    clips = find_audio(source)[::EVERY]
    for clip in clips:
        shutil.copy(clip, folder / clip.name)
    return len(clips)


def run(clips: Path, work: Path, seeds: Sequence[int], epochs: int) -> Iterator[Training]:
    """Train one after the other, each in a process of its own on one thread; the two kinds take turns."""
    flags = {**FLAGS, "num_epochs": epochs}
    for seed in seeds:
        for kind, module in MODULES.items():
            folder = work / f"{kind}-{seed}"
            places = {"data_dir": clips, "checkpoint_dir": folder, "seed": seed, "keep_checkpoints": 1}
            words = [part for name, value in {**flags, **places}.items() for part in (f"--{name}", str(value))]
            with (work / "log").open("a") as log:
                subprocess.run(
                    [sys.executable, "-m", module, "train", *words],
                    cwd=ROOT,
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                    stdout=log,
                    stderr=log,
                    check=True,
                )
            rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
            yield Training(kind, seed, tuple(row for row in rows if row["kind"] == "validation"))
