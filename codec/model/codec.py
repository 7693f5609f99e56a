"""The codec: audio to latents, latents to codes and back, latents to audio."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from codec.config import ModelConfig
from codec.model.layers import Snake, conv, down_conv, residual_units, same_conv, silence, up_conv
from codec.model.quantizer import ResidualQuantizer, Statistics, Window
from codec.model.transform import LappedTransform

LOUDEST = 0.999  # normalized audio ends at 0.95; beyond 1 there is no inverse of tanh


@dataclass(frozen=True)
class Decoded:
    """A batch after its way through the codec."""

    audio: Tensor  # [B, 1, T], as long as the input
    codes: Tensor  # [B, S, T'] int64
    commitment: Tensor  # [S] mean squared error of the latents after each stage, see Quantized
    latent_power: Tensor  # [] mean square of the quantizer's input
    statistics: Statistics


@dataclass(frozen=True)
class Share:
    """Which part of a batch one of several ranks has: the `rank`-th of equal parts."""

    lengths: Tensor  # [all B] real samples of each row of the whole batch
    rank: int
    ranks: int

    def samples(self) -> Tensor:
        """Real samples of the whole batch for each rank: a sum over own samples divided by this has the batch's
        mean as its mean over ranks."""
        return self.lengths.sum() / self.ranks

    def window(self, hop: int) -> Window:
        """The same part, counted in latent frames."""
        frames = -(-self.lengths // hop)
        before = frames[: self.rank * len(frames) // self.ranks].sum()
        return Window(before, frames.sum(), self.ranks)


class Codec(nn.Module):
    """Convolutional encoder and decoder around a residual quantizer (after Kumar et al. 2023, DAC).

    With a lapped transform beside them, which starts as the whole of the codec: what encoder and decoder put out
    is added to its coefficients and to its audio, and is nothing until they have learned to be of use.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width, size = config.hidden_dim, config.codebook_dim
        self.encoder = _encoder(config)
        self.project_in = conv(width, size, 1, padding=0)
        self.quantizer = ResidualQuantizer(
            size, config.codebook_size, config.num_quantizers, mean=config.mean_quantizers
        )
        self.project_out = conv(size, width, 1, padding=0)
        self.decoder = _decoder(config)
        self.transform: LappedTransform | None = None
        if config.transform == "mdct":
            self.transform = LappedTransform(config.hop, size)
            silence(self.project_in)
            silence(self.decoder[-1])

    def forward(
        self, audio: Tensor, lengths: Tensor | None = None, share: Share | None = None, dropout: float = 0.0
    ) -> Decoded:
        """Encode and decode audio [B, 1, T]. Of each row the first lengths [B] samples are real.

        On several ranks `share` says which part of the batch this is. A share of `dropout` of the rows is
        decoded from a random number of its first stages.
        """
        mask = None if lengths is None else self._frame_mask(audio.shape[-1], lengths)
        window = None if share is None else share.window(self.config.hop)
        kept = self._kept_stages(len(audio), share, dropout, audio.device) if dropout else None
        quantized = self.quantizer(self.latents(audio), mask, window, kept)
        return Decoded(
            audio=self._synthesise(quantized.latents, audio.shape[-1]),
            codes=quantized.codes,
            commitment=quantized.commitment,
            latent_power=quantized.power,
            statistics=quantized.statistics,
        )

    def latents(self, audio: Tensor) -> Tensor:
        """What the quantizer gets: audio [B, 1, T] -> [B, codebook_dim, ceil(T / hop)]."""
        padded = functional.pad(audio, (0, -audio.shape[-1] % self.config.hop))
        learned: Tensor = self.project_in(self.encoder(padded))
        if self.transform is None:
            return learned
        # Through the inverse of the decoder's tanh, so that the two paths together undo each other exactly.
        exact: Tensor = self.transform(padded.clamp(-LOUDEST, LOUDEST).atanh())
        return learned + exact

    def encode(self, audio: Tensor, stages: int | None = None) -> Tensor:
        """Audio [B, 1, T] -> codes [B, S, ceil(T / hop)] of all stages, or of fewer: see ResidualQuantizer.encode."""
        return self.quantizer.encode(self.latents(audio), stages or self.config.stages_per_frame)

    def decode(self, codes: Tensor, length: int) -> Tensor:
        """Codes [B, s, T'] of the first s stages -> audio [B, 1, length]."""
        return self._synthesise(self.quantizer.decode(codes), length)

    def _synthesise(self, latents: Tensor, length: int) -> Tensor:
        audio: Tensor = self.decoder(self.project_out(latents))
        if self.transform is not None:
            audio = audio + self.transform.inverse(latents)
        return audio.tanh()[..., :length]

    def _kept_stages(self, rows: int, share: Share | None, dropout: float, device: torch.device) -> Tensor:
        # Drawn for the whole batch, so that ranks that draw the same numbers do what a single one does.
        stages, ranks = self.config.stages_per_frame, share.ranks if share else 1
        some = torch.randint(1, stages + 1, (rows * ranks,), device=device)
        kept = torch.where(torch.rand(rows * ranks, device=device) < dropout, some, stages)
        return kept[rows * share.rank :][:rows] if share else kept

    def _frame_mask(self, samples: int, lengths: Tensor) -> Tensor:
        starts = torch.arange(0, samples, self.config.hop, device=lengths.device)
        return starts < lengths.unsqueeze(1)  # [B, T']


def _encoder(config: ModelConfig) -> nn.Sequential:
    channels = config.hidden_dim // 2 ** len(config.strides)
    layers = [same_conv(1, channels, 7)]
    for stride in config.strides:
        layers += [residual_units(channels), Snake(channels), down_conv(channels, 2 * channels, stride)]
        channels *= 2
    return nn.Sequential(*layers, Snake(channels), same_conv(channels, channels, 3))


def _decoder(config: ModelConfig) -> nn.Sequential:
    channels = config.hidden_dim
    layers = [same_conv(channels, channels, 3)]
    for stride in reversed(config.strides):
        layers += [Snake(channels), up_conv(channels, channels // 2, stride), residual_units(channels // 2)]
        channels //= 2
    return nn.Sequential(*layers, Snake(channels), same_conv(channels, 1, 7))
