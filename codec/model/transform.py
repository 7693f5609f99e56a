"""A lapped transform: audio to coefficients and back, exactly, with as many numbers as samples."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class LappedTransform(nn.Module):
    """The MDCT with a sine window (Princen, Johnson and Bradley 1987) of which the first `kept` of `hop` rows are kept.

    Each frame of `hop` coefficients sees 2 hop samples, half a hop of them on either side of its own. Where the
    audio begins and ends there is no neighbour to share with: there the frame sees its own samples alone, so that
    nothing is lost. The rows are orthonormal: a squared error in the coefficients is the same in the audio.
    Nothing of it is learned, and it runs in float32 whatever the autocast.
    """

    basis: Tensor  # [kept, 2 hop]
    window: Tensor  # [2 hop]

    def __init__(self, hop: int, kept: int) -> None:
        super().__init__()
        self.hop = hop
        sample = torch.arange(2 * hop, dtype=torch.float64) + 0.5
        row = torch.arange(kept, dtype=torch.float64).unsqueeze(1) + 0.5
        window = torch.sin(math.pi / (2 * hop) * sample)
        cosines = torch.cos(math.pi / hop * row * (sample + hop / 2))
        basis = math.sqrt(2 / hop) * window * cosines
        self.register_buffer("basis", basis.float(), persistent=False)
        self.register_buffer("window", window.float(), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Audio [B, 1, T], T a multiple of the hop -> coefficients [B, kept, T / hop]."""
        with torch.autocast(audio.device.type, enabled=False):
            half, audio = self.hop // 2, audio.float()
            rising, falling = self._edge()
            # What the frame folds onto its own samples from beyond the edge: as much of them as the window takes away.
            share = (1 - rising) / falling
            before = -(audio[..., :half] * share).flip(-1)
            after = audio[..., -half:].flip(-1) * share
            # A product of matrices, not a convolution: on a GPU convolutions may run in TF32, which is 67 dB exact.
            frames = torch.cat([before, audio, after], -1)[:, 0].unfold(-1, 2 * self.hop, self.hop)  # [B, T', 2 hop]
            coefficients: Tensor = frames @ self.basis.T
            return coefficients.transpose(1, 2)

    def inverse(self, coefficients: Tensor) -> Tensor:
        """Coefficients [B, kept, T'] -> audio [B, 1, T' hop]."""
        with torch.autocast(coefficients.device.type, enabled=False):
            half = self.hop // 2
            frames = coefficients.float().transpose(1, 2) @ self.basis  # [B, T', 2 hop]
            # Each frame's second half lies over the first half of the next.
            frames = functional.pad(frames, (0, 0, 0, 1))
            audio = (frames[..., : self.hop] + frames[..., self.hop :].roll(1, 1)).flatten(1)
            audio = audio.unsqueeze(1)[..., half:-half]
            rising, _ = self._edge()
            whole = torch.ones_like(audio[..., half:-half])
            edge = rising.expand(*audio.shape[:-1], -1)
            return audio / torch.cat([edge, whole, edge.flip(-1)], -1)

    def _edge(self) -> tuple[Tensor, Tensor]:
        """The window over the first half hop of the audio, and over as much before it, seen from the edge."""
        half = self.hop // 2
        return self.window[half : self.hop], self.window[:half].flip(-1)
