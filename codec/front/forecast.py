"""What groups of frames will cost at any step, and what error they will have, told by their envelope alone.

Learned tables say what a coefficient costs by how far its envelope is above the step.
"""

from typing import Protocol

import numpy as np

from codec.front import bands
from codec.front.powers import Float32Array, Ints
from codec.front.side import BASE_STEP, LEAST_BASE, MOST_BASE, MOST_CHANGE
from codec.front.tables import Forecast, Settings

LEAST_RATIO, MOST_RATIO = -48, 127  # of the envelope over the step, in BASE_STEP
RATIOS = MOST_RATIO - LEAST_RATIO + 1
FURTHEST = MOST_CHANGE * BASE_STEP
BASES = np.arange(LEAST_BASE, MOST_BASE + 1, BASE_STEP)


class Control(Protocol):
    """What an encoder asks for the base of its step."""

    def plan(self, levels: Ints) -> Ints:
        """Bases [groups] for the groups of a block, from levels [groups, BANDS]."""
        ...

    def coded(self, bits: int, error: float) -> None:
        """What became of the block: its size and its squared error."""
        ...


def costs_of(levels: Ints, known: Forecast) -> Float32Array:
    """Expected bits of each group at each of BASES, [groups, bases]."""
    costs: Float32Array = _by_ratio(levels, known.settings, known.cost) + known.side
    return costs


def noises_of(levels: Ints, known: Forecast) -> Float32Array:
    """Expected squared error of each group at each of BASES, [groups, bases]; for a share of 0 in the step."""
    noises: Float32Array = _by_ratio(levels, known.settings, known.noise) * np.exp2(BASES / 8).astype(np.float32)
    return noises


def _by_ratio(levels: Ints, settings: Settings, table: Float32Array) -> Float32Array:
    """Sums over the bins of each group of what a table says for the envelope over the step, [groups, bases]."""
    counts, lowest = ratios_of(levels, settings)
    ratios = lowest + np.arange(counts.shape[1])[:, None] - BASES // BASE_STEP  # [ratios, bases]
    per_bin = table[np.clip(ratios, LEAST_RATIO, MOST_RATIO) - LEAST_RATIO]
    sums: Float32Array = (counts @ per_bin) * settings.group
    return sums


def limited(base: int, last: int | None) -> int:
    """A base no further from the last one than a stream can say."""
    return base if last is None else min(max(base, last - FURTHEST), last + FURTHEST)


def ratios_of(levels: Ints, settings: Settings) -> tuple[Float32Array, int]:
    """How many bins of each group have which envelope over a step of base 0: ([groups, ratios], the first ratio)."""
    amplitude = bands.amplitudes(levels, settings.hop)
    ratios = (amplitude - bands.exponents(amplitude, 0, settings.share)) // BASE_STEP
    lowest = int(ratios.min())
    width = int(ratios.max()) - lowest + 1
    flat = ratios - lowest + width * np.arange(len(levels))[:, None]
    counts = np.bincount(flat.ravel(), minlength=width * len(levels)).reshape(len(levels), width)
    return counts.astype(np.float32), lowest
