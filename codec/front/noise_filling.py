"""Noise in the decoder where nothing was coded, so that a band comes nearer to the energy that its envelope names.

Nothing is sent for it. Without it, empty bins sound hollow: at 8 kbit/s it is worth more than any other part by PESQ.
"""

import numpy as np
import numpy.typing as npt

from codec.front.bands import band_of_bin, by_bands
from codec.front.powers import Float32Array, Ints

Bools = npt.NDArray[np.bool_]

_TABLE = (np.random.Generator(np.random.PCG64(0)).uniform(-1, 1, 1 << 16) * np.sqrt(3)).astype(np.float32)
_STRIDE = 40_503  # odd: where in the table a frame's noise begins


def fill(
    decoded: Float32Array, empty: Bools, levels: Ints, step: Float32Array, amount: float, first: int
) -> Float32Array:
    """Coefficients [n, hop] with noise where `empty`.

    `levels` are [n, BANDS], `first` is the number of the first frame. The noise of a band has `amount` times the RMS
    that is missing per empty bin, at most half a mean step.
    """
    hop = decoded.shape[1]
    holes = empty.astype(np.float32)
    bins = np.bincount(band_of_bin(hop)).astype(np.float32)
    missing = np.exp2(levels.astype(np.float32) * np.float32(4 / 3)) * bins - by_bands(decoded**2)
    gain = np.sqrt(np.maximum(missing, 0) / np.maximum(by_bands(holes), 1))
    gain = np.minimum(gain, by_bands(step) / bins / 2) * np.float32(amount)
    starts = (np.arange(first, first + len(decoded)) * _STRIDE) % (len(_TABLE) - hop)
    noise = _TABLE[starts[:, None] + np.arange(hop)]
    filled: Float32Array = decoded + gain[:, band_of_bin(hop)] * noise * holes
    return filled
