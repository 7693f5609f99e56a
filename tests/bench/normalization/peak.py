"""The trainer with per-sample peak normalization instead of its own: x / max|x| * 0.95 for every crop.

    python -m tests.bench.normalization.peak train --data_dir ...

The product has no such option: its one function is replaced from outside, before anything imports it. Everything else,
validation included, is the trainer's own.
"""

from typing import Any

import torch
from torch import Tensor

from codec.acoustics import normalize

PEAK = 0.95
calls = 0


def by_peak(x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """As `codec.acoustics.normalize.normalize`, but every signal gets the peak PEAK, whatever its level."""
    global calls  # noqa: PLW0603  counts that it was really used
    calls += 1
    real = x
    if lengths is not None:
        count = lengths.reshape(lengths.shape + (1,) * (x.dim() - lengths.dim()))
        real = x * (torch.arange(x.shape[-1], device=x.device) < count)
    gain = PEAK / real.abs().amax(-1, keepdim=True).clamp(min=1e-6)
    return x * gain, gain


def main(**unused: Any) -> None:
    """Run the `codec` command with the function replaced."""
    original = normalize.normalize
    normalize.normalize = by_peak
    from codec import cli
    from codec.training import dataset

    assert dataset.normalize is by_peak, "the trainer took its own function before it could be replaced"
    try:
        cli.main()
    finally:
        normalize.normalize = original
        assert calls, "the trainer normalized by other means: this bench no longer measures what it says"


if __name__ == "__main__":
    main()
