"""The level that audio is brought to before it is coded, so that the least level of the envelope means the same."""

import math

TARGET_RMS = 10 ** (-16 / 20)
LEAST_RMS = 10 ** (-66 / 20)  # what is quieter is not raised further
STEPS = 4  # of a gain, an octave


def gain_of(rms: float) -> float:
    """A power of 2 in quarters of an octave that brings an RMS near TARGET_RMS."""
    return gain(gain_step(rms))


def gain(step: int) -> float:
    """The gain of a step."""
    return float(2.0 ** (step / STEPS))


def gain_step(rms: float) -> int:
    """Its logarithm, in 1 / STEPS octaves."""
    return round(STEPS * math.log2(TARGET_RMS / max(rms, LEAST_RMS)))
