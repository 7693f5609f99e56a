"""Powers of two in sixteenths of an octave, the same on every machine.

What writer and reader of a stream must agree on is computed in integers, so that it depends neither on the order of
additions nor on the last digit of a library's exp2.
"""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

# round(2 ** (i / 16) * 2 ** 16), written out: no library's rounding is asked.
_SIXTEENTHS = np.array(
    [
        *(65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752),
        *(92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515),
    ],
    np.int64,
)
FRACTION = 8  # bits behind the point of what `fixed` returns
LEAST, MOST = -160, 224  # sixteenths that `fixed` tells apart


def real(sixteenths: Ints) -> Float32Array:
    """2 ** (x / 16) as float32."""
    value: Float32Array = np.ldexp(_SIXTEENTHS[sixteenths & 15].astype(np.float32), (sixteenths >> 4) - 16)
    return value


def fixed(sixteenths: Ints) -> Ints:
    """2 ** (x / 16) in 1 / 256, for x clipped to LEAST..MOST."""
    return _FIXED[np.clip(sixteenths, LEAST, MOST) - LEAST]


def scaled(sixteenths: int, bits: int) -> int:
    """2 ** (x / 16) in units of 2 ** -bits, as a Python integer."""
    shift = (sixteenths >> 4) + bits - 16
    mantissa = int(_SIXTEENTHS[sixteenths & 15])
    return mantissa << shift if shift >= 0 else (mantissa + (1 << -shift - 1)) >> -shift


_FIXED = np.array([scaled(x, FRACTION) for x in range(LEAST, MOST + 1)], np.int64)
