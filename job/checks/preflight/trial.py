"""Two real training steps on a few seconds of the real data, by the trainer's own command, thrown away afterwards."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import soundfile

from codec.audio import SILENCE_RMS, decode
from infra.pods import kind_of
from job.checks.finding import Finding, error, note, warning
from job.checks.preflight.resources import size
from job.dataset import LocalData
from job.spec.model import JobSpec
from job.spec.trainer_plan import TrainerPlan

BATCH, STEPS, HELD_OUT = 1, 2, 1
CROPS = BATCH * STEPS + HELD_OUT
CROP_SECONDS = 0.5  # at most: what a setting breaks, it breaks on a short crop, too
TIMEOUT_SECONDS = 180.0
# Laid over the spec's own settings; everything else is what will run.
OVER = {
    "batch_size": BATCH,
    "num_epochs": 1,
    "validation_share": HELD_OUT / CROPS,
    "keep_checkpoints": 1,
}


def can_train() -> bool:
    """Whether torch is installed here."""
    return importlib.util.find_spec("torch") is not None


def try_steps(data: LocalData, spec: JobSpec, plan: TrainerPlan) -> list[Finding]:
    """Trains two steps, validates and saves in a temporary folder. Takes seconds, most of them for loading torch."""
    with tempfile.TemporaryDirectory(prefix="codecjob-trial-") as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free
        if free < 2 * plan.checkpoint_bytes:
            said = f"not tried: {folder.parent} has {size(free)} free, too little for a checkpoint"
            return [warning("trial", f"{said}; set TMPDIR to another folder")]
        segment = _segment(plan)
        if not _write_crops(data, plan.config["sample_rate"], segment, folder / "clips"):
            return [warning("trial", f"not tried: {data.folder} has fewer than {CROPS} crops louder than -50 dBFS")]
        here = kind_of(spec.provider).is_this_user
        device = spec.train.device if here else "auto"  # a rented GPU is not in this machine
        settings = spec.train.model_copy(update={**OVER, "segment_length": segment, "device": device})
        places = ["--data_dir", str(folder / "clips"), "--checkpoint_dir", str(folder / "run")]
        return _run([sys.executable, "-P", "-m", "codec", "train", *places, *settings.flags()], folder / "run")


def read_trial(rows: list[dict[str, Any]], seconds: float) -> list[Finding]:
    """What the rows of a finished trial say."""
    trained = [row for row in rows if row.get("kind") == "train"]
    validated = [row for row in rows if row.get("kind") == "validation"]
    if not trained or len(validated) < 2:
        return [error("trial", "the trainer ended well but wrote no rows: install codecjob again")]
    if trained[-1]["nonfinite_steps"] or not isinstance(validated[-1]["loss"], float):
        said = f"{trained[-1]['nonfinite_steps']} of {STEPS} trial steps were not finite"
        return [error("trial", f"{said}; lower train.learning_rate and look at the data")]
    loss = validated[-1]["loss"]
    return [
        note(
            "trial",
            f"{STEPS} training steps, validation and checkpoint work here: "
            f"loss {loss:.3f}, {seconds:.0f} s with loading",
        )
    ]


def _run(command: list[str], folder: Path) -> list[Finding]:
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [warning("trial", f"no end of {STEPS} training steps in {TIMEOUT_SECONDS:.0f} s on this machine")]
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return [error("trial", f"the trainer fails at its first steps: {said.removeprefix('error: ')}")]
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return read_trial([json.loads(line) for line in lines], time.monotonic() - began)


def _segment(plan: TrainerPlan) -> int:
    """Samples of a crop: the spec's, up to CROP_SECONDS, and never less than the trainer takes."""
    most = int(CROP_SECONDS * plan.config["sample_rate"])
    return max(min(int(plan.config["segment_length"]), most), plan.hop)


def _write_crops(data: LocalData, rate: int, segment: int, folder: Path) -> bool:
    """A crop a file, as many as the trial needs; False if there are not enough."""
    folder.mkdir()
    number = 0
    for number, crop in enumerate(_crops(data, rate, segment), start=1):
        soundfile.write(folder / f"{number}.wav", crop, rate)
        if number == CROPS:
            break
    return number == CROPS


def _crops(data: LocalData, rate: int, segment: int) -> Iterator[Any]:
    """Loud segments, a few of each clip, the shortest clips first because they are decoded whole."""
    for clip in sorted(data.clips, key=lambda clip: clip.length):
        if clip.rms < SILENCE_RMS:
            continue
        audio = decode(clip.path, rate)
        for start in range(0, max(len(audio) - segment, 0) + 1, segment):
            crop = audio[start : start + segment]
            if float(crop @ crop) > len(crop) * SILENCE_RMS**2:
                yield crop
