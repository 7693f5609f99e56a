"""How good the shipped codec is, through real streams on disk, beside Opus on the same pieces."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from codec.evaluation import opus
from codec.evaluation.evaluate import Pieces, Tick, means, opus_rows, scores
from codec.evaluation.perception import Judge
from codec.front import files

NAME = "shipped"  # in the place of a trained model's folder
EAR_KBPS = (6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
WAVEFORM_KBPS = VECTOR_KBPS = (8.0, 16.0, 24.0)
OPUS_KBPS = (6.0, 8.0, 16.0, 24.0)
SNR_DB = (12.0, 24.0, 32.0, 40.0)  # asked for, at whatever rate
SPREAD = ("snr_db", "pesq")  # of which the standard error is told, too

Float32Array = np.typing.NDArray[np.float32]


def evaluate(pieces: Pieces, judges: Mapping[str, Judge], against: bool, tick: Tick) -> list[dict[str, Any]]:
    """A row for each rate and tuning, then, with `against`, those of Opus. `tick` is called `ticks` times."""
    rows = [_row(pieces, judges, goal, tick) for goal in _goals()]
    return rows + (list(opus_rows(OPUS_KBPS, pieces, judges, tick)) if against else [])


def ticks(pieces: Pieces, against: bool) -> int:
    """How often `evaluate` will call its `tick`."""
    return len(pieces.audio) * (len(list(_goals())) + (len(OPUS_KBPS) * len(opus.MODES) if against else 0))


def _goals() -> Iterator[files.Goal]:
    yield from (files.Goal(kbps, "ear") for kbps in EAR_KBPS)
    yield from (files.Goal(kbps, "waveform") for kbps in WAVEFORM_KBPS)
    yield from (files.Goal(kbps, quantizer="vector") for kbps in VECTOR_KBPS)
    yield from (files.Goal(tuning="waveform", snr_db=snr_db) for snr_db in SNR_DB)


def _row(pieces: Pieces, judges: Mapping[str, Judge], goal: files.Goal, tick: Tick) -> dict[str, Any]:
    judged, size, encode_seconds, decode_seconds, delay = [], 0, 0.0, 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        original, coded, decoded = (Path(folder, name) for name in ("a.wav", "a.cjc", "b.wav"))
        for audio in pieces.audio:
            soundfile.write(original, audio.numpy(), pieces.rate, subtype="FLOAT")
            started = time.process_time()
            summary = files.encode(original, coded, goal, _nothing)
            encoded = time.process_time()
            files.decode(coded, decoded, ".wav", salvage=False, progress=_nothing)
            decode_seconds += time.process_time() - encoded
            encode_seconds += encoded - started
            size, delay = size + coded.stat().st_size, summary.delay_ms
            back, _ = soundfile.read(decoded, dtype="float32")
            judged.append(scores(audio, torch.from_numpy(back), pieces.rate, judges))
            tick()
    return {
        "codec": f"shipped, {_name(goal)}",
        "quantizers": None,
        "nominal_kbps": goal.kbps if goal.snr_db is None else size * 8 / pieces.seconds / 1000,
        "effective_kbps": size * 8 / pieces.seconds / 1000,
        "delay_ms": delay,
        **means(judged),
        **_errors(judged),
        "least_snr_db": min(score["snr_db"] for score in judged),
        "encode_times_real_time": pieces.seconds / encode_seconds,
        "decode_times_real_time": pieces.seconds / decode_seconds,
    }


def _name(goal: files.Goal) -> str:
    if goal.quantizer == "vector":
        return goal.quantizer
    return goal.tuning if goal.snr_db is None else f"{goal.snr_db:g} dB"


def _errors(judged: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Standard errors of the means over pieces."""
    found = {}
    for name in SPREAD:
        values = np.array([score[name] for score in judged if name in score and not np.isnan(score[name])])
        if len(values) > 1:
            found[f"{name}_error"] = float(values.std(ddof=1) / np.sqrt(len(values)))
    return found


def _nothing(_: float) -> None: ...
