"""The scalar quantizer: a uniform step with a dead zone, and where in a step a coefficient is likely to lie."""

import numpy as np

from codec.front.contexts import MOST_MAGNITUDE
from codec.front.powers import Float32Array, Ints


def quantize(coefficients: Float32Array, step: Float32Array, rounding: float) -> Ints:
    """Signed magnitudes; `rounding` is what is added before the floor: 0.5 rounds to the nearest, less spares bits."""
    magnitudes = np.minimum(np.floor(np.abs(coefficients) / step + rounding), MOST_MAGNITUDE)
    return np.copysign(magnitudes, coefficients).astype(np.int64)


def dequantize(codes: Ints, step: Float32Array, centroids: Float32Array) -> Float32Array:
    """Coefficients; `centroids` [.., 3] are the mean offsets from 1, 2 and 3 or more steps, one row a frame."""
    magnitudes = np.abs(codes)
    table = np.concatenate([np.zeros((len(centroids), 1), np.float32), centroids], 1)
    offset = np.take_along_axis(table, np.minimum(magnitudes, 3), 1)
    decoded: Float32Array = np.sign(codes).astype(np.float32) * (magnitudes.astype(np.float32) + offset) * step
    return decoded
