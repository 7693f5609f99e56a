"""What the tests of codec/front share: a voice-like sound, and one channel through a front."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from codec.front import channel, fronts
from codec.front.rate_control import RateControl

Float32Array = npt.NDArray[np.float32]


def voice_like(seconds: float, rate: int = 16_000, seed: int = 0) -> Float32Array:
    """Harmonics that glide, with syllables, pauses and a little noise; RMS 0.15."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tone = sum(np.sin(k * phase + random.uniform(0, 6)) / k for k in range(1, 25))
    syllables = np.maximum(np.sin(2 * np.pi * 2.3 * time), 0) ** 0.5 * (np.sin(2 * np.pi * 0.4 * time) > -0.7)
    audio = tone * syllables + 0.02 * random.normal(size=len(time))
    return (audio * 0.15 / np.sqrt(np.mean(audio**2))).astype(np.float32)


def encoded(audio: Float32Array | Sequence[Float32Array], name: str, kbps: float) -> list[bytes]:
    """Blocks of one channel."""
    coder = fronts.coder_of(name)
    encoder = channel.Encoder(coder, RateControl(coder.forecast, 1000 * kbps))
    pieces = [audio] if isinstance(audio, np.ndarray) else audio
    return [data for piece in pieces for data in encoder.feed(piece)] + list(encoder.finish())


def decoded(blocks: Sequence[bytes], name: str, length: int, fill: float = 0.4) -> Float32Array:
    """The audio of blocks."""
    coder = fronts.coder_of(name)
    decoder, left = channel.Decoder(coder, fill), channel.groups_of(length, coder.settings)
    parts = []
    for data in blocks:
        parts.append(decoder.feed(data, min(left, channel.GROUPS)))
        left -= channel.GROUPS
    return np.concatenate(parts)[coder.settings.hop :][:length]
