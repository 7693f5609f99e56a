"""Levels of the channels of an audio file, in constant memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codec.audio import pieces
from codec.audio.read import Float32Array, Resampler, opened


@dataclass(frozen=True)
class Levels:
    """What a first pass over a file finds."""

    rate: int  # Hz, the file's
    channels: int
    distinct: int  # 1 where all channels are equal, else all of them
    length: int  # samples of a channel at the file's rate
    rms: Tensor  # [distinct] at the rate that was asked for
    peak: Tensor  # [distinct]

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.length / self.rate


def measure(path: Path, rate: int) -> Levels:
    """Read a file to its end. Raises AudioError if it is not audio, truncated, empty or not finite."""
    equal, length, count = True, 0, 0
    with opened(path) as file:
        own_rate, channels = file.samplerate, file.channels
        energy = torch.zeros(channels, dtype=torch.float64)
        peak = torch.zeros(channels)
        resampler = Resampler(own_rate, rate, channels)
        for block in pieces.finite_blocks(path, file):
            length += len(block)
            equal = equal and bool((block == block[:, :1]).all())
            _add(piece := as_tensor(pieces.through(resampler.feed, block)), energy, peak)
            count += piece.shape[-1]
    _add(piece := as_tensor(np.atleast_2d(resampler.rest().T)), energy, peak)
    count += piece.shape[-1]
    distinct = 1 if equal else channels
    rms = (energy / max(count, 1)).sqrt().float()
    return Levels(own_rate, channels, distinct, length, rms[:distinct], peak[:distinct])


def as_tensor(piece: Float32Array) -> Tensor:
    """A piece [channels, any] for torch."""
    return torch.from_numpy(np.ascontiguousarray(piece))


def _add(piece: Tensor, energy: Tensor, peak: Tensor) -> None:
    if piece.shape[-1]:
        energy += piece.double().square().sum(-1)
        torch.maximum(peak, piece.abs().amax(-1), out=peak)
