"""Metric rows as a trainer writes them, with whatever figures a test wants."""

from typing import Any


def start(step: int, at: float, **more: Any) -> dict[str, Any]:
    config = {"num_epochs": 4, "sample_rate": 8000}
    return {"kind": "start", "step": step, "epoch": 0, "time": at, "config": config, "planned_steps": 40, **more}


def validation(step: int, epoch: int, snr: float | str, **more: Any) -> dict[str, Any]:
    fields = {"loss": 0.4, "l1": 0.1, "amplitude": 0.9, "perplexity": [0.5, 0.25], "codes_used": [0.9, 0.8], "crops": 8}
    return {"kind": "validation", "step": step, "epoch": epoch, "time": 1.0 + step, "snr_db": snr, **fields, **more}


def train(step: int, loss: float | str) -> dict[str, Any]:
    return {"kind": "train", "step": step, "epoch": 0, "time": 1.0 + step, "loss": loss, "lr": 1e-3, "grad_norm": 1.0}
