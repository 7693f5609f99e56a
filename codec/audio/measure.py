"""Everything that can be said of a clip before it is trained on, in one pass over the file."""

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codec.audio.pack import FULL_SCALE, to_int16
from codec.audio.read import (
    Float32Array,
    Int16Array,
    Resampler,
    holds_int16,
    int16_file_blocks,
    mono_blocks,
    not_finite,
    opened,
    shorter_than_a_sample,
)

ENVELOPE_BINS = 64
_FRAMES_PER_SECOND = 100  # of the levels that the envelope is made from
_FLAT_PEAK = 1000  # int16: below it, several equal samples are rounding, not clipping

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClipInfo:
    """What a full decode found. Levels are those of the mono mix (1.0 = full scale) at the file's own rate.

    Of a clip that is not finite, levels are those of its other samples, and it has no PCM: `length` is 0.
    """

    path: Path
    sample_rate: int  # Hz, before resampling
    channels: int
    seconds: float
    rms: float
    peak: float
    finite: bool  # False: a float file holds NaN or infinity
    dc: float  # mean, signed
    clipped: float  # share of samples at the peak whose neighbours on both sides are at it too: flat tops
    length: int  # samples at the rate that was asked for
    sha256: str  # of the PCM at that rate, as `pack` writes it: what `split` goes by
    envelope: Sequence[float]  # dB, the level's course in ENVELOPE_BINS equal parts, mean 0


def inspect(path: Path, sample_rate: int | None = None) -> ClipInfo:
    """Decode the file to its end and measure it; `sample_rate` (Hz, default its own) is that of `length` and `sha256`.

    Raises AudioError as `decode` does, but reports non-finite samples instead of refusing them.
    """
    levels, frames = _Levels(), 0
    with opened(path) as file:
        rate_out = sample_rate or file.samplerate
        pcm = _Pcm(file.samplerate, rate_out)
        if holds_int16(file, rate_out):
            for samples in int16_file_blocks(path, file):
                frames += len(samples)
                levels.add_int16(samples)
                pcm.take(samples)
        else:
            for block in mono_blocks(path, file):
                frames += len(block)
                levels.add(block)
                if levels.finite:
                    pcm.add(block)
        rate, channels = file.samplerate, file.channels
    if levels.finite:
        pcm.finish()
        if not pcm.length:
            raise shorter_than_a_sample(path, pcm.rate)
    return ClipInfo(
        path=path,
        sample_rate=rate,
        channels=channels,
        seconds=frames / rate,
        rms=(levels.energy / frames) ** 0.5,
        peak=levels.peak,
        finite=levels.finite,
        dc=levels.total / frames,
        clipped=levels.flat / frames,
        length=pcm.length if levels.finite else 0,
        sha256=pcm.hash.hexdigest(),
        envelope=_course(np.concatenate(pcm.powers)),
    )


def usable(clip: ClipInfo) -> ClipInfo:
    """The clip. Raises AudioError, as `decode` does, if it is not finite."""
    if not clip.finite:
        raise not_finite(clip.path)
    return clip


class _Levels:
    """Level, peak, offset and flat tops over the blocks of a file."""

    def __init__(self) -> None:
        self.energy = self.total = self.peak = 0.0
        self.finite = True
        self.flat = 0
        self._flat_level = 0  # int16: the peak that `flat` was counted at

    def add(self, block: Float32Array) -> None:
        """Takes a block whose full scale is 1.0; samples that are not finite are left out."""
        finite = np.isfinite(block)
        if not finite.all():
            self.finite = False
            block = block[finite]
        self._add(block, 1.0)
        self._count_flat(to_int16(block))

    def add_int16(self, samples: Int16Array) -> None:
        """Takes a block of a file that holds nothing else."""
        self._add(samples, FULL_SCALE)
        self._count_flat(samples)

    def _add(self, samples: Float32Array | Int16Array, full_scale: float) -> None:
        if not len(samples):
            return
        wide = samples.astype(np.float64)
        self.energy += float(np.einsum("i,i", wide, wide)) / full_scale**2
        self.total += float(wide.sum()) / full_scale
        self.peak = max(self.peak, float(samples.max()) / full_scale, -float(samples.min()) / full_scale)

    def _count_flat(self, samples: Int16Array) -> None:
        # Writers round the two signs differently: clipped at ±0.3 may be +9830 and -9831.
        levels = np.abs(np.maximum(samples, 1 - FULL_SCALE))
        top = int(levels.max(initial=0))
        if top > self._flat_level + 1:
            self.flat = 0
        self._flat_level = max(top, self._flat_level)
        if self._flat_level >= _FLAT_PEAK:
            at_top = levels >= self._flat_level - 1
            self.flat += int(np.count_nonzero(at_top[:-2] & at_top[1:-1] & at_top[2:]))


class _Pcm:
    """The int16 samples that training would see: their number, their hash and the course of their power."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self.rate = rate_out
        self._resampler = Resampler(rate_in, rate_out)
        self._frame = max(rate_out // _FRAMES_PER_SECOND, 1)
        self._left: Int16Array = np.zeros(0, np.int16)
        self.hash = hashlib.sha256()
        self.length = 0
        self.powers: list[Float64Array] = [np.zeros(0)]

    def add(self, block: Float32Array) -> None:
        self.take(to_int16(self._resampler.feed(block)))

    def finish(self) -> None:
        self.take(to_int16(self._resampler.rest()))

    def take(self, samples: Int16Array) -> None:
        self.hash.update(samples.data)
        self.length += len(samples)
        waiting = np.concatenate([self._left, samples]) if len(self._left) else samples
        whole = len(waiting) // self._frame * self._frame
        frames = waiting[:whole].reshape(-1, self._frame).astype(np.float64)
        self.powers.append(np.einsum("ij,ij->i", frames, frames) / self._frame)
        self._left = waiting[whole:]


def _course(powers: Float64Array) -> "array[float]":
    """The mean power [frames] of equal parts in dB around their mean; empty for a clip of fewer frames than parts."""
    if len(powers) < ENVELOPE_BINS:
        return array("f")
    edges = np.arange(ENVELOPE_BINS + 1) * len(powers) // ENVELOPE_BINS
    parts = np.add.reduceat(powers, edges[:-1]) / np.diff(edges)
    levels = 10 * np.log10(parts + 1.0)  # 1.0: one step of int16, so that digital silence is no -inf
    return array("f", (levels - levels.mean()).tolist())
