"""What the perceptual recipe's decoder has to deceive: discriminators of periods and of spectra."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

PERIODS = (2, 3, 5, 7, 11)
WINDOWS = (2048, 1024, 512)
SLOPE = 0.1  # of the leaky rectifier

Judgement = tuple[Tensor, list[Tensor]]  # logits, one for each place; what every layer made of the audio


class Discriminators(nn.Module):
    """All of them: five by period (Kong et al. 2020, HiFi-GAN), three by spectrum (Kumar et al. 2023, DAC).

    `width` is the channels of a first layer.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        periods = [PeriodDiscriminator(period, width) for period in PERIODS]
        spectra = [SpectrumDiscriminator(window, width) for window in WINDOWS]
        self.members = nn.ModuleList([*periods, *spectra])

    def forward(self, audio: Tensor) -> list[Judgement]:
        """The judgement of each on audio [B, 1, T]."""
        return [member(audio) for member in self.members]


class PeriodDiscriminator(nn.Module):
    """Sees every `period`-th sample as a signal of its own: [B, 1, T] -> [B, 1, T / period, period]."""

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        channels = [1, width, 4 * width, 8 * width, 8 * width]
        self.layers = nn.ModuleList(_conv(a, b, (5, 1), stride=(3, 1)) for a, b in pairwise(channels))
        self.last = _conv(channels[-1], 1, (3, 1))

    def forward(self, audio: Tensor) -> Judgement:  # noqa: D102
        padded = functional.pad(audio, (0, -audio.shape[-1] % self.period))
        return _judge(self.layers, self.last, padded.reshape(len(audio), 1, -1, self.period))


class SpectrumDiscriminator(nn.Module):
    """Sees real and imaginary part of the spectrogram, so that phase counts: [B, 1, T] -> [B, 2, frames, bins]."""

    def __init__(self, window: int, width: int) -> None:
        super().__init__()
        self.hop = window // 4
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        strides = [(1, 1), (1, 2), (1, 2), (1, 2)]
        self.layers = nn.ModuleList(
            _conv(width if number else 2, width, (3, 9), stride=stride) for number, stride in enumerate(strides)
        )
        self.last = _conv(width, 1, (3, 3))

    def forward(self, audio: Tensor) -> Judgement:  # noqa: D102
        window = cast(Tensor, self.window)
        spectrum = torch.stft(
            audio[:, 0].float(), len(window), self.hop, window=window, pad_mode="constant", return_complex=True
        )
        parts = torch.view_as_real(spectrum).permute(0, 3, 2, 1) / len(window) ** 0.5
        return _judge(self.layers, self.last, parts)


def discriminator_loss(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Hinge loss, mean over discriminators: 2 is that of one that says 0 to everything, 0 that of one that is never
    deceived."""
    losses = [
        functional.relu(1 - ours[0].float()).mean() + functional.relu(1 + theirs[0].float()).mean()
        for ours, theirs in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def adversarial_loss(fake: list[Judgement]) -> Tensor:
    """What the decoder is punished for: the hinge loss of being found out, mean over discriminators."""
    return torch.stack([functional.relu(1 - logits.float()).mean() for logits, _ in fake]).mean()


def feature_loss(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Mean over all layers of the distance of features, as a share of their size (Defossez et al. 2022, EnCodec)."""
    distances = [
        (ours.detach().float() - theirs.float()).abs().mean() / ours.detach().float().abs().mean().clamp(min=1e-8)
        for (_, features), (_, others) in zip(real, fake, strict=True)
        for ours, theirs in zip(features, others, strict=True)
    ]
    return torch.stack(distances).mean()


def _conv(channels_in: int, channels_out: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> nn.Module:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return cast(nn.Module, weight_norm(nn.Conv2d(channels_in, channels_out, kernel, stride, padding)))


def _judge(layers: nn.ModuleList, last: nn.Module, x: Tensor) -> Judgement:
    features = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), SLOPE)
        features.append(x)
    return last(x), features
