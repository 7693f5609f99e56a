"""Trains a case for real and keeps its rows."""

import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.bench.verdicts.case import Training

ROOT = Path(__file__).parents[3]
ROWS = Path(__file__).parent / "rows"
CLIPS = ROOT / "examples" / "telugu" / "clips"
# Speech of real people, which is not part of this project; without it, the case that learns from it can't be retrained.
REAL_SPEECH = ROOT.parent / "shared" / "data" / "real-speech"
LIMIT_SECONDS = 400.0

# Each training is a process, forked from one that has loaded torch already.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torchaudio", "codec.training.train"])

# A codec that reaches the table's good limits in about 10 seconds of one CPU core: 40 steps an epoch on 8 clips.
FLAGS: dict[str, Any] = {
    "hidden_dim": 16,
    "strides": "8",
    "num_quantizers": 4,
    "codebook_size": 64,
    "codebook_dim": 16,
    "segment_length": 2000,
    "batch_size": 6,
    "num_epochs": 3,
    "learning_rate": 3e-3,
    "warmup_steps": 10,
    "device": "cpu",
}


def can_train(training: Training) -> bool:
    """Whether the data is here."""
    return training.data != "real speech" or REAL_SPEECH.is_dir()


def record(training: Training) -> bytes:
    """Trains in a folder of its own and returns metrics.jsonl. A fault may end the training in any way."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        DATA[training.data](work / "clips")
        if training.interrupt:
            _train(training, work, until=training.interrupt)
        _train(training, work)
        return (work / "run" / "metrics.jsonl").read_bytes()


def _train(training: Training, work: Path, until: tuple[str, int] | None = None) -> None:
    flags = [word for name, value in {**FLAGS, **training.flags}.items() for word in (f"--{name}", str(value))]
    process = CONTEXT.Process(target=_codec_train, args=(training.fault, work, flags))
    process.start()
    try:
        if until:
            _interrupt(process, work / "run", *until)
        process.join(LIMIT_SECONDS)
    finally:
        process.kill()
        process.join(60)
    if process.exitcode == 2:
        raise RuntimeError((work / "log").read_text())


def _codec_train(fault: str, work: Path, flags: list[str]) -> None:
    """In a process of its own: what ``python -m tests.bench.verdicts.sabotage`` does."""
    os.chdir(work)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # The places are relative, since the start row repeats them.
    sys.argv = ["codec", fault, "--data_dir", "clips", "--checkpoint_dir", "run", *flags]
    from tests.bench.verdicts.sabotage import main

    main()


def _interrupt(process: ForkServerProcess, run: Path, how: str, step: int) -> None:
    while _step(run) < step:
        if not process.is_alive():
            raise RuntimeError(f"the training ended before step {step}")
        time.sleep(0.05)
    if how == "stop":
        (run / "stop.json").write_text("{}")
    else:
        os.kill(process.pid or 0, signal.Signals[how])


def _step(run: Path) -> int:
    try:
        return int(json.loads((run / "progress.json").read_text())["step"])
    except FileNotFoundError:
        return 0


def _telugu(folder: Path, count: int = 8) -> None:
    folder.mkdir()
    for clip in sorted(CLIPS.glob("*.flac"))[:count]:
        shutil.copy(clip, folder)


def _few(folder: Path) -> None:
    _telugu(folder, 3)


def _changed(change: Callable[[Any, int], tuple[Any, int]]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        folder.mkdir()
        for number, clip in enumerate(sorted(CLIPS.glob("*.flac"))[:8]):
            samples, rate = soundfile.read(clip, dtype="float32")
            changed, rate = change(samples, rate if number % 2 else -rate)
            soundfile.write(folder / f"{clip.stem}.wav", changed, abs(rate))

    return write


def _real_speech(folder: Path) -> None:
    folder.mkdir()
    clips = [*sorted(REAL_SPEECH.glob("libri-*.flac"))[:5], *sorted(REAL_SPEECH.glob("lj-*.flac"))[:3]]
    for clip in clips:
        # Four seconds of each, so that an epoch is as long as the other cases'.
        samples, rate = soundfile.read(clip, dtype="float32", frames=4 * soundfile.info(clip).samplerate)
        soundfile.write(folder / clip.name, samples, rate)


# Every other clip is given to a change with a negative rate, for changes that treat two kinds differently.
DATA: dict[str, Callable[[Path], None]] = {
    "telugu": _telugu,
    "three clips": _few,
    "real speech": _real_speech,
    "quiet": _changed(lambda x, rate: (x * 0.05, rate)),
    "two levels": _changed(lambda x, rate: (x * (0.04 if rate < 0 else 1.0), rate)),
    "two rates": _changed(lambda x, rate: (x[::2] if rate < 0 else x, rate // 2 if rate < 0 else rate)),
    "pauses": _changed(lambda x, rate: (np.concatenate([x, np.zeros(abs(rate), np.float32)]), rate)),
    "noisy": _changed(lambda x, rate: (x + 0.01 * np.random.default_rng(0).standard_normal(len(x)), rate)),
}
