"""Bands of the spectrum, their levels, and the quantizer's step that follows from them.

A level is an integer: a band's RMS in steps of 2/3 of an octave (4 dB). Everything here but `levels_of` is in integers
and the same for writer and reader.
"""

import functools
import itertools

import numpy as np

from codec.front.powers import Float32Array, Ints

BANDS = 14
RATE = 16_000  # Hz, of the audio that is coded
FLOOR = 2e-4  # the least RMS that is told apart
LEAST_LEVEL, MOST_LEVEL = -18, 24
SHARES = 32  # parts of the envelope's share in the step
_SHARE_BITS = 10  # of the interpolation between two bands


@functools.cache
def band_edges(hop: int) -> tuple[int, ...]:
    """The first bin of each band, and the end: BANDS + 1 bins, even in Bark up to 8 kHz, one bin each at least.

    The scale is that of Wang, Sekey and Gersho 1992: z = 6 asinh(f / 600 Hz).
    """
    top = np.arcsinh(RATE / 2 / 600)
    hertz = 600 * np.sinh(np.arange(BANDS + 1) / BANDS * top)
    edges = np.round(hertz / (RATE / 2) * hop).astype(int).tolist()
    for band in range(1, BANDS + 1):
        edges[band] = max(edges[band], edges[band - 1] + 1)
    return (*edges[:-1], hop)


def levels_of(coefficients: Float32Array, group: int) -> Ints:
    """Levels [n, BANDS] of coefficients [n group, hop]."""
    hop = coefficients.shape[1]
    edges = np.array(band_edges(hop))
    power = (coefficients.astype(np.float64) ** 2).reshape(-1, group, hop).mean(1)
    mean = np.add.reduceat(power, edges[:-1], axis=1) / np.diff(edges)
    levels = np.round(1.5 * np.log2(np.sqrt(np.maximum(mean, FLOOR**2)))).astype(np.int64)
    return np.clip(levels, LEAST_LEVEL, MOST_LEVEL)


def amplitudes(levels: Ints, hop: int) -> Ints:
    """The envelope at each bin, interpolated between the bands' centres: log2 in sixteenths, [.., hop]."""
    left, share = _interpolation(hop)
    mixed = levels[..., left] * ((1 << _SHARE_BITS) - share) + levels[..., left + 1] * share
    return (mixed * 32 + (3 << _SHARE_BITS - 1)) // (3 << _SHARE_BITS)  # a level is 32/3 sixteenths


def exponents(amplitude: Ints, base: Ints | int, share: int) -> Ints:
    """log2 of the step at each bin in sixteenths: base + share / 32 of the envelope."""
    return base + ((amplitude * share + SHARES // 2) >> 5)


def by_bands(values: Float32Array) -> Float32Array:
    """Sums over the bands, [n, hop] -> [n, BANDS]."""
    return np.add.reduceat(values, band_edges(values.shape[1])[:-1], axis=1)


@functools.cache
def band_of_bin(hop: int) -> Ints:
    """The band of each bin, [hop]."""
    return np.repeat(np.arange(BANDS), np.diff(band_edges(hop)))


@functools.cache
def _interpolation(hop: int) -> tuple[Ints, Ints]:
    """For each bin the band whose centre is below it, and the share of the next band in 1/1024."""
    edges = band_edges(hop)
    centres = [a + b - 1 for a, b in itertools.pairwise(edges)]  # twice the centre
    left, share = [], []
    for position in range(0, 2 * hop, 2):
        band = min(max(sum(centre < position for centre in centres) - 1, 0), BANDS - 2)
        width = centres[band + 1] - centres[band]
        part = min(max(position - centres[band], 0), width)
        left.append(band)
        share.append(((part << _SHARE_BITS + 1) + width) // (2 * width))
    return np.array(left), np.array(share)
