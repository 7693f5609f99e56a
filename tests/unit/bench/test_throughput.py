"""The bench of training throughput, with a model and rounds that take no time: that it runs and what it counts."""

from pathlib import Path

import pytest
import torch

from tests.bench import limits, throughput

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def test_a_convolution_is_counted_by_its_multiplications_and_its_operands() -> None:
    layer, audio = torch.nn.Conv1d(3, 5, 7, padding=3), torch.randn(2, 3, 50)
    with limits.Roofline(limits.Limits(flops=1e6, bandwidth=1e6)) as work:
        torch.sin(layer(audio))
    assert work.flops == 2 * (2 * 50 * 3 * 5 * 7)
    assert work.moved == 4 * (2 * 3 * 50 + 5 * 3 * 7 + 5 + 2 * 5 * 50)
    assert work.seconds == work.flops / 1e6


def test_the_longer_of_computing_and_moving_is_the_limit() -> None:
    device = limits.Limits(flops=100.0, bandwidth=10.0)
    assert device.seconds(flops=50, moved=1) == 0.5
    assert device.seconds(flops=50, moved=20) == 2


def test_every_figure_is_there_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(throughput.SIZES, "cpu", {"hidden_dim": 16, "batch": 1, "samples": 512, "steps": 1})
    monkeypatch.setitem(limits.MATRIX, "cpu", 64)
    monkeypatch.setitem(limits.COPIED_BYTES, "cpu", 1 << 16)
    figures = throughput.measure(CPU, rounds=1, peers_python=Path("/nonexistent"))
    assert figures["audio_seconds_per_second"]["median"] > 0
    assert list(figures["phases_ms"]) == ["forward", "backward", "optimizer", "codebooks"]
    assert figures["peak_bytes"] > 1e6
    shares = [figures["limits"][f"share_of_{what}"] for what in ("flops", "bandwidth", "roofline")]
    assert all(share >= 0 for share in shares)
    assert shares[2] >= max(shares) - 0.001
    assert "peer" not in figures
