"""Sound files in pieces: every channel read, resampled and measured in constant memory, and written the same way."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from codec.audio import AudioError
from codec.audio import write as audio_write
from codec.audio.read import Float32Array, Resampler, channel_blocks, opened


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
        for block in _finite_blocks(path, file):
            length += len(block)
            equal = equal and bool((block == block[:, :1]).all())
            _add(piece := _fed(resampler.feed, block), energy, peak)
            count += piece.shape[-1]
    _add(piece := _as_tensor(resampler.rest()), energy, peak)
    count += piece.shape[-1]
    distinct = 1 if equal else channels
    rms = (energy / max(count, 1)).sqrt().float()
    return Levels(own_rate, channels, distinct, length, rms[:distinct], peak[:distinct])


def read(path: Path, rate: int, channels: int) -> Iterator[Tensor]:
    """The first channels of a file at `rate` Hz, in pieces [channels, any]. Raises as `measure` does."""
    with opened(path) as file:
        resampler = Resampler(file.samplerate, rate, channels)
        for block in _finite_blocks(path, file):
            yield _fed(resampler.feed, block[:, :channels])
    yield _as_tensor(resampler.rest())


def resampled(pieces: Iterable[Tensor], rate_in: int, rate_out: int, channels: int) -> Iterator[Tensor]:
    """Pieces [channels, any] at another rate."""
    resampler = Resampler(rate_in, rate_out, channels)
    for piece in pieces:
        yield _fed(resampler.feed, piece.T.numpy())
    yield _as_tensor(resampler.rest())


def of_length(pieces: Iterable[Tensor], length: int) -> Iterator[Tensor]:
    """Pieces [channels, any] of exactly `length` samples together: cut, or with zeros at their end."""
    missing, channels = length, 1
    for piece in pieces:
        channels = len(piece)
        yield piece[..., :missing]
        missing -= min(piece.shape[-1], missing)
    yield torch.zeros(channels, missing)


def write(path: Path, kind: str, pieces: Iterable[Tensor], rate: int, channels: int) -> None:
    """Write pieces [channels, any]; the suffix `kind` says the format. 16 bits where the format counts them."""
    audio_write.write(path, kind, (piece.numpy() for piece in pieces), rate, channels)


def _finite_blocks(path: Path, file: soundfile.SoundFile) -> Iterator[Float32Array]:
    for block in channel_blocks(path, file):
        if not np.isfinite(block).all():
            raise AudioError(f"{path}: holds NaN or infinite samples; export it again as 16-bit wav or flac")
        yield block


def _fed(feed: Callable[[Float32Array], Float32Array], block: Float32Array) -> Tensor:
    """A block [T, channels] through a resampler."""
    return _as_tensor(feed(np.ascontiguousarray(block if block.shape[1] > 1 else block[:, 0])))


def _as_tensor(block: Float32Array) -> Tensor:
    """[T] or [T, channels] -> [channels, T]."""
    return torch.from_numpy(np.ascontiguousarray(np.atleast_2d(block.T)))


def _add(piece: Tensor, energy: Tensor, peak: Tensor) -> None:
    if piece.shape[-1]:
        energy += piece.double().square().sum(-1)
        torch.maximum(peak, piece.abs().amax(-1), out=peak)
