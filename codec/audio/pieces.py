"""Audio files in pieces [channels, any] float32: read, resampled and cut to a length, in constant memory."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from codec.audio.read import Float32Array, Resampler, channel_blocks, not_finite, opened


def finite_blocks(path: Path, file: soundfile.SoundFile) -> Iterator[Float32Array]:
    """The blocks [T, channels] of an open file. Raises AudioError for NaN and infinite samples."""
    for block in channel_blocks(path, file):
        if not np.isfinite(block).all():
            raise not_finite(path)
        yield block


def read(path: Path, rate: int, channels: int) -> Iterator[Float32Array]:
    """The first channels of a file at `rate` Hz. Raises AudioError as `finite_blocks` does."""
    with opened(path) as file:
        resampler = Resampler(file.samplerate, rate, channels)
        for block in finite_blocks(path, file):
            yield through(resampler.feed, block[:, :channels])
    yield np.atleast_2d(resampler.rest().T)


def resampled(pieces: Iterable[Float32Array], rate_in: int, rate_out: int, channels: int) -> Iterator[Float32Array]:
    """The pieces at another rate."""
    resampler = Resampler(rate_in, rate_out, channels)
    for piece in pieces:
        yield through(resampler.feed, piece.T)
    yield np.atleast_2d(resampler.rest().T)


def of_length(pieces: Iterable[Float32Array], length: int, fill: bool = True) -> Iterator[Float32Array]:
    """Pieces of `length` samples together: cut, or with `fill` with zeros at their end."""
    missing, channels = length, 1
    for piece in pieces:
        channels = len(piece)
        yield piece[:, :missing]
        missing -= min(piece.shape[1], missing)
    if fill:
        yield np.zeros((channels, missing), np.float32)


def through(feed: Callable[[Float32Array], Float32Array], block: Float32Array) -> Float32Array:
    """A block [T, channels] through a resampler -> [channels, any]."""
    ready = feed(np.ascontiguousarray(block if block.shape[1] > 1 else block[:, 0]))
    return np.atleast_2d(ready.T)
