"""Codes of codebooks: what stands where one is absent, and how many bits codes and their counts take."""

import numpy as np
import numpy.typing as npt

ABSENT = -1  # in place of a code where a frame has no such stage
MOST_STAGES = 255  # a stream's header counts them in one byte
BLOCK_FRAMES = 8192  # of which Varying writes the counts together, and which spend one budget

Codes = npt.NDArray[np.int64]


def code_bits(size: int) -> int:
    """Bits of a code of a codebook of so many."""
    return (size - 1).bit_length()


def count_bits(stages: int) -> int:
    """Bits of a number of codes from 0 to `stages`."""
    return stages.bit_length()
