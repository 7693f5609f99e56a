"""How many stages a vector is likely to have: a class by its envelope over the step and by its neighbours' numbers.

As with scalar codes, even vectors of a frame come first, by the frame before; then odd ones, also by their even
neighbours. All in integers.
"""

import numpy as np

from codec.front.powers import Ints

RATIO_CLASSES, NEIGHBOUR_CLASSES = 24, 9
CLASSES = RATIO_CLASSES * NEIGHBOUR_CLASSES
_RATIO_STEP = 8  # sixteenths
_LEAST_RATIO = -64
_UNKNOWN = NEIGHBOUR_CLASSES - 1  # behind a restart
# The class of a weighted sum of neighbours' numbers, in quarters.
_OF_SUM = np.searchsorted(np.array([1, 4, 8, 13, 18, 25, 33]), np.arange(4 * 255 + 1), side="right")


def classes_of(ratio: Ints, last: Ints | None, now: Ints | None) -> Ints:
    """Classes [.., vectors / 2] of a pass.

    `ratio` [.., vectors] is log2 of the envelope over the step in sixteenths. `last` are the numbers of the frame
    before, None behind a restart; `now` those of this frame's even vectors in the second pass, None in the first.
    """
    own = slice(0 if now is None else 1, None, 2)
    of_ratio = np.clip((ratio[..., own] - _LEAST_RATIO) // _RATIO_STEP, 0, RATIO_CLASSES - 1)
    if now is not None:
        beside = now[..., 0::2] + np.concatenate([now[..., 2::2], now[..., -2:-1]], -1)
        total = 2 * beside if last is None else beside + 2 * last[..., own]
    elif last is None:
        unknown: Ints = of_ratio * NEIGHBOUR_CLASSES + _UNKNOWN
        return unknown
    else:
        below = np.concatenate([last[..., 1:2], last[..., 1:-1:2]], -1)
        total = 2 * last[..., own] + below + last[..., 1::2]
    classes: Ints = of_ratio * NEIGHBOUR_CLASSES + _OF_SUM[total]
    return classes
