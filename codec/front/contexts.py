"""What a coefficient is likely to be, from what was coded before it: a class for each, all in integers.

The bins of a frame are coded in two passes, each one array: the even ones from the last two frames and the envelope,
then the odd ones also from their even neighbours. A magnitude counts in steps of the frame that is being coded.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from codec.front import powers
from codec.front.powers import FRACTION, Ints, fixed

CLASSES = 64  # of the expected magnitude, four an octave
UNIT_CLASS = 20  # that of a magnitude of one step
PARTS = 3  # of the spectrum
WEIGHT_BITS = 12  # behind the point of a weight
INPUTS = 7, 9  # of the two passes
MOST_MAGNITUDE = (1 << 17) - 1
_PAD = 4  # bins beside the spectrum, all zero

_THRESHOLDS = np.array(
    [powers.scaled(4 * (c - UNIT_CLASS) - 2, FRACTION + WEIGHT_BITS) for c in range(1, CLASSES)], np.int64
)


@dataclass(frozen=True)
class Frame:
    """One frame, or many on a leading axis; arrays are [.., hop + 2 x 4 bins of padding] but for `amplitude`."""

    last: Ints  # magnitudes of the frame before, in 1/256 of this one's steps
    earlier: Ints  # of the one before that
    amplitude: Ints  # the envelope's, [.., hop], in the same unit


def in_steps(magnitudes: Ints, exponents: Ints, of: Ints) -> Ints:
    """Magnitudes [.., hop] coded with steps 2^(exponents / 16), in 1/256 of the steps 2^(of / 16)."""
    return np.minimum(magnitudes, MOST_MAGNITUDE) * fixed(exponents - of)


def padded(values: Ints) -> Ints:
    """Zeros beside the spectrum."""
    out = np.zeros((*values.shape[:-1], values.shape[-1] + 2 * _PAD), np.int64)
    out[..., _PAD:-_PAD] = values
    return out


def inputs_of(frame: Frame, now: Ints | None) -> list[Ints]:
    """What predicts the bins of a pass, [.., hop / 2] each.

    `now` is None in the first pass, in the second the padded magnitudes of the frame itself.
    """
    first = 0 if now is None else 1
    last, earlier = frame.last, frame.earlier
    known = [
        _at(last, first, 0),
        _at(last, first, -1) + _at(last, first, 1),
        _at(last, first, -2) + _at(last, first, 2),
        _at(earlier, first, 0),
        _at(earlier, first, -1) + _at(earlier, first, 1),
        frame.amplitude[..., first::2],
    ]
    if now is not None:
        known += [(_at(now, 1, -1) + _at(now, 1, 1)) << FRACTION, (_at(now, 1, -3) + _at(now, 1, 3)) << FRACTION]
    return known


def classes_of(frame: Frame, now: Ints | None, weights: list[int]) -> Ints:
    """The class of each bin of a pass, [.., hop / 2], 0..PARTS x CLASSES - 1. The last weight is a constant's."""
    known = inputs_of(frame, now)
    expected = known[0] * weights[0] + (weights[-1] << FRACTION)
    for values, weight in zip(known[1:], weights[1:-1], strict=True):
        if weight:
            expected += values * weight
    return np.searchsorted(_THRESHOLDS, expected, side="right") + _parts(frame.amplitude.shape[-1])


def low_bits(classes: Ints) -> Ints:
    """How many low bits of a magnitude are coded as they are, where it is expected to be large."""
    return _LOW_BITS[classes]


_LOW_BITS = np.tile(np.maximum(0, (np.arange(CLASSES) - UNIT_CLASS) // 4 - 2), PARTS)


def _at(values: Ints, first: int, distance: int) -> Ints:
    """The neighbours at a distance of every second bin."""
    start = _PAD + first + distance
    return values[..., start : values.shape[-1] - 2 * _PAD + start : 2]


@lru_cache
def _parts(hop: int) -> Ints:
    """CLASSES x the part of the spectrum, of every second bin."""
    bins = np.arange(0, hop, 2)
    return CLASSES * ((bins * 20 >= hop * 3).astype(np.int64) + (bins * 20 >= hop * 9))
