"""The one normalization: used in training, validation, encoding and decoding alike.

A fixed level, not a peak level: the peak of a crop is one sample and says little of how loud it is, so
under peak normalization the same voice reaches the model at levels many dB apart.
"""

import torch
from torch import Tensor

from codec.audio import SILENCE_RMS

TARGET_RMS = 10 ** (-16 / 20)  # 0.158
PEAK_LIMIT = 0.95  # the decoder ends in tanh and can't reach 1


def normalize(x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scale each signal of x [..., T] to TARGET_RMS; returns (y [..., T], gain [..., 1]).

    y / gain is x again: only a gain is applied, nothing is clipped, so the level can be restored after
    decoding. `lengths` (samples, ≥ 1; its dimensions are the first ones of x) says how much of each
    signal is real; padding after it counts neither for level nor for peak.

    The gain is lower than the target asks
    - below SILENCE_RMS: at most TARGET_RMS / SILENCE_RMS, 34 dB, or silence would become loud noise;
    - where the peak would pass PEAK_LIMIT, as 22 to 47% of speech segments of 0.4 to 2 s would
      (crest factor above 16 dB).
    """
    real = x
    count: Tensor | int = x.shape[-1]
    if lengths is not None:
        count = lengths.reshape(lengths.shape + (1,) * (x.dim() - lengths.dim()))  # [..., 1]
        real = x * (torch.arange(x.shape[-1], device=x.device) < count)
    rms = (real.square().sum(-1, keepdim=True) / count).sqrt()  # [..., 1]
    peak = real.abs().amax(-1, keepdim=True)
    gain = gain_of(rms, peak)
    return x * gain, gain


def gain_of(rms: Tensor, peak: Tensor) -> Tensor:
    """The gain of signals whose RMS and peak are known: for audio that is too long to lie in memory."""
    return torch.minimum(TARGET_RMS / rms.clamp(min=SILENCE_RMS), PEAK_LIMIT / peak)
