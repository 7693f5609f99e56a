"""The code of the band levels: each as its difference to a linear prediction from the levels known before it.

A level is predicted from the last two groups of frames and from the lower bands of its own. How far off the band below
was picks the table of the difference. At a restart nothing is known before: a typical spectrum stands in, with tables
of its own.
"""

from dataclasses import dataclass

import numpy as np

from codec.front.bands import BANDS, LEAST_LEVEL, MOST_LEVEL
from codec.front.powers import Ints
from codec.front.range_coder import Model, Reader, Writer

LIMIT = MOST_LEVEL - LEAST_LEVEL  # of a difference: predictions are clipped to the range of levels
ALPHABET = 2 * LIMIT + 1
INPUTS = 8  # of a prediction
CLASSES = 5  # by the error of the band below, and one for the first group behind a restart
FIRST_CLASS = CLASSES - 1
WEIGHT_BITS = 12  # behind the point of a weight


@dataclass(frozen=True)
class EnvelopeTables:
    """What was learned about the levels of speech."""

    typical: Ints  # [BANDS]: the mean
    weights: Ints  # [BANDS, INPUTS] in 1/4096
    models: tuple[tuple[Model, ...], ...]  # [BANDS][CLASSES]
    bits: np.ndarray  # [BANDS, CLASSES, ALPHABET]: code lengths


def write(writer: Writer, symbols: Ints, classes: Ints, tables: EnvelopeTables) -> None:
    """One group's levels, as `symbols_of` gives them, [BANDS] each."""
    for band, (symbol, of) in enumerate(zip(symbols.tolist(), classes.tolist(), strict=True)):
        writer.one(symbol, tables.models[band][of])


def read(reader: Reader, previous: list[int] | None, before: list[int] | None, tables: EnvelopeTables) -> list[int]:
    """One group's levels; `previous` and `before` are those of the last two, None at and behind a restart."""
    first = previous is None
    last = previous or tables.typical.tolist()
    earlier = before or tables.typical.tolist()
    levels: list[int] = []
    error = 0
    for band, weights in enumerate(tables.weights.tolist()):
        below = levels[-1] - last[band - 1] if band else 0
        below2 = levels[-2] - last[band - 2] if band > 1 else below
        beside = last[max(band - 1, 0)], last[min(band + 1, BANDS - 1)]
        known = (last[band], *beside, earlier[band], below, below2, error)
        total = weights[INPUTS - 1]
        for weight, value in zip(weights, known, strict=False):
            total += weight * value
        predicted = _clipped(total + (1 << WEIGHT_BITS - 1) >> WEIGHT_BITS)
        of = FIRST_CLASS if first else min(abs(error), FIRST_CLASS - 1)
        symbol = reader.one(tables.models[band][of])
        error = symbol - LIMIT
        levels.append(_clipped(predicted + error))
    return levels


def symbols_of(levels: Ints, tables: EnvelopeTables) -> tuple[Ints, Ints]:
    """(symbols, classes) of the levels of one block, [groups, BANDS] each; the first group is behind a restart."""
    symbols, classes = np.zeros_like(levels), np.zeros_like(levels)
    last, earlier = history(levels, tables.typical)
    error = np.zeros(len(levels), np.int64)
    for band in range(BANDS):
        known = inputs_of(levels, last, earlier, error, band)
        classes[:, band] = np.minimum(np.abs(error), FIRST_CLASS - 1)
        error = levels[:, band] - predicted_of(known, tables.weights[band])
        symbols[:, band] = error + LIMIT
    classes[0] = FIRST_CLASS
    return symbols, classes


def inputs_of(levels: Ints, last: Ints, earlier: Ints, error: Ints, band: int) -> Ints:
    """What predicts a band, [groups, INPUTS]; `error` is the difference that the band below had."""
    below = levels[:, band - 1] - last[:, band - 1] if band else np.zeros(len(levels), np.int64)
    below2 = levels[:, band - 2] - last[:, band - 2] if band > 1 else below
    beside = last[:, max(band - 1, 0)], last[:, min(band + 1, BANDS - 1)]
    return np.stack([last[:, band], *beside, earlier[:, band], below, below2, error, np.ones_like(below)], 1)


def predicted_of(known: Ints, weights: Ints) -> Ints:
    """The predictions of a band, [groups]."""
    predicted: Ints = np.clip(
        ((known * weights).sum(1) + (1 << WEIGHT_BITS - 1)) >> WEIGHT_BITS, LEAST_LEVEL, MOST_LEVEL
    )
    return predicted


def bits_of(symbols: Ints, classes: Ints, tables: EnvelopeTables) -> float:
    """Code length."""
    return float(tables.bits[np.arange(BANDS), classes, symbols].sum())


def history(levels: Ints, typical: Ints) -> tuple[Ints, Ints]:
    """The levels of the last group and of the one before, [groups, BANDS]."""
    last = np.concatenate([typical[None], levels[:-1]])
    return last, np.concatenate([typical[None], last[:-1]])


def _clipped(level: int) -> int:
    return min(max(level, LEAST_LEVEL), MOST_LEVEL)
