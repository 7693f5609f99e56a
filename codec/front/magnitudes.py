"""Signed magnitudes of one pass of a frame as symbols of a table, escapes, low bits and signs.

A magnitude is coded as `magnitude >> low bits`, at most ESCAPE; what is beyond follows as an Elias gamma code, then the
low bits and the signs as they are.
"""

import numpy as np

from codec.front.contexts import MOST_MAGNITUDE, low_bits
from codec.front.powers import Float32Array, Ints
from codec.front.range_coder import Reader, Writer

ESCAPE = 24  # the last symbol: more follows
ALPHABET = ESCAPE + 1


def write(writer: Writer, codes: Ints, classes: Ints, probabilities: Float32Array) -> None:
    """Codes [n] with their classes, by tables [classes, ALPHABET]."""
    magnitudes, low = np.abs(codes), low_bits(classes)
    high = magnitudes >> low
    writer.rows(np.minimum(high, ESCAPE), probabilities[classes])
    if high.max(initial=0) >= ESCAPE:
        writer.gammas(high[high >= ESCAPE] - ESCAPE + 1)
    if low.any():
        some = low > 0
        writer.numbers((magnitudes & ((1 << low) - 1))[some], 1 << low[some])
    writer.bits(codes[magnitudes > 0] < 0)


def read(reader: Reader, classes: Ints, probabilities: Float32Array) -> Ints:
    """Codes [n] by their classes."""
    values = reader.rows(probabilities[classes]).astype(np.int64)
    if values.max() == ESCAPE:
        for index in np.flatnonzero(values == ESCAPE).tolist():
            values[index] = ESCAPE - 1 + reader.gamma()
    low = low_bits(classes)
    if low.any():
        some = np.flatnonzero(low)
        values[some] = (values[some] << low[some]) + reader.numbers(1 << low[some])
    np.minimum(values, MOST_MAGNITUDE, out=values)  # no writer goes beyond it; a forged number may
    present = np.flatnonzero(values)
    if len(present):
        values[present] *= 1 - 2 * reader.bits(len(present)).astype(np.int64)
    return values


def bits_of(codes: Ints, classes: Ints, lengths: Float32Array) -> Float32Array:
    """Code length of each of some codes, any shape; `lengths` [classes, ALPHABET] are those of the tables."""
    magnitudes, low = np.abs(codes), low_bits(classes)
    high = magnitudes >> low
    over = np.maximum(high - ESCAPE + 1, 1)
    gamma = np.where(high >= ESCAPE, 2 * np.floor(np.log2(over)) + 1, 0)
    total: Float32Array = lengths[classes, np.minimum(high, ESCAPE)] + low + (magnitudes > 0) + gamma
    return total
