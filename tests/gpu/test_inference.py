"""A trained model on a GPU says what it says on a CPU."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from codec.coding import trained
from codec.evaluation.evaluate import evaluate, pieces_of
from codec.model.device import inference_device


def test_an_evaluation_has_the_same_figures(
    train: "Callable[..., subprocess.CompletedProcess[str]]", clips: Path, tmp_path: Path, device: torch.device
) -> None:
    assert train(compile="off").returncode == 0
    tables = []
    for where in (torch.device("cpu"), inference_device()):
        model = trained.load(tmp_path / "run")
        model.model.to(where)
        pieces = pieces_of(model, clips, everything=True, limit=3)
        tables.append(evaluate(model, pieces, {}, against=False, tick=lambda: None))
    for row, other in zip(*tables, strict=True):
        for name in ("snr_db", "si_sdr_db", "amplitude", "effective_kbps"):
            assert row[name] == pytest.approx(other[name], abs=0.05)
    assert device.type == inference_device().type
