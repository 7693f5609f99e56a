"""Whole histories of runs, generated: what a rule must leave alone, and what it must find."""

import json
import math
from collections.abc import Iterable
from typing import Any

EPOCH = 3000
STAGES = 8


def start(**config: Any) -> dict[str, Any]:
    """The start row of the trainer's defaults: 16 crops of 1 s, 16 kbit/s, unless the config says otherwise."""
    usual = {
        "sample_rate": 16000,
        "strides": [2, 2, 2, 2, 5],
        "num_quantizers": STAGES,
        "codebook_size": 1024,
        "batch_size": 16,
        "segment_length": 16000,
        "learning_rate": 3e-4,
        "warmup_steps": 500,
    }
    return {"kind": "start", "step": 0, "epoch": 0, "steps_per_epoch": EPOCH, "config": {**usual, **config}}


def validation(epoch: int, snr: float, **values: Any) -> dict[str, Any]:
    """The row after an epoch of a decoder that does its best at an SNR."""
    honest = math.sqrt(max(1 - 10 ** (-snr / 10), 0.0))
    row = {
        "kind": "validation",
        "step": EPOCH * epoch,
        "epoch": epoch,
        "loss": 0.112 * 10 ** (-snr / 20) + 0.02,
        "l1": 0.112 * 10 ** (-snr / 20),
        "vq": 0.02,
        "l1_ratio": 10 ** (-snr / 20),
        "snr_db": snr,
        "amplitude": honest or 0.02,
        "correlation": honest,
        "dc_offset": 0.0,
        "lag": 0,
        "mel_distance": 2.0 if snr <= 0 else max(1.6 - snr / 10, 0.35),
        "perplexity": [0.6] * STAGES,
        "codes_used": [0.9] * STAGES,
        "crops": 64,
    }
    return {**row, **values}


def run(*snrs: float, **values: Any) -> list[dict[str, Any]]:
    """A row an epoch, from the untrained model on; `values` hold for all rows but the first."""
    return [validation(0, 0.0), *(validation(epoch, snr, **values) for epoch, snr in enumerate(snrs, 1))]


def train(step: int, **values: Any) -> dict[str, Any]:
    """A healthy training row."""
    usual = {"loss": 0.05 + math.sin(step) / 100, "l1": 0.05, "vq": 0.01, "latent_power": 1.0, "grad_norm": 0.5}
    return {"kind": "train", "step": step, "epoch": step // EPOCH, "lr": 3e-4, **usual, **values}


def text(rows: Iterable[dict[str, Any]]) -> bytes:
    """The lines of a metrics file."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
