"""What every group of frames says before its codes: the base of its step, and its levels.

Shared by all quantizers. A block begins with a base as it is; later ones are changes, mostly none.
"""

import numpy as np

from codec.front import envelope
from codec.front.envelope import EnvelopeTables
from codec.front.powers import Ints
from codec.front.range_coder import Damaged, Model, Reader, Writer

BASE_STEP = 2  # sixteenths: bases of the step are multiples of it
LEAST_BASE, MOST_BASE = -256, 256
MOST_CHANGE = 8  # of the base from one group to the next, in BASE_STEP
_SIZE = (MOST_BASE - LEAST_BASE) // BASE_STEP + 1


def _changes() -> Model:
    """Probabilities of a change of the base."""
    far = np.abs(np.arange(-MOST_CHANGE, MOST_CHANGE + 1))
    shares = np.where(far == 0, 0.7, 0.15 * 0.45**far)
    return Model((shares / shares.sum()).astype(np.float32))


_CHANGES = _changes()


class SideWriter:
    """Writes bases [groups] and levels [groups, BANDS] of a block, group by group."""

    def __init__(self, writer: Writer, bases: Ints, levels: Ints, tables: EnvelopeTables) -> None:
        self._writer = writer
        self._tables = tables
        self._steps = (bases // BASE_STEP).tolist()
        self._symbols, self._classes = envelope.symbols_of(levels, tables)

    def write(self, index: int) -> None:
        """What group `index` says; groups come in their order."""
        step = self._steps[index]
        if index:
            self._writer.one(step - self._steps[index - 1] + MOST_CHANGE, _CHANGES)
        else:
            self._writer.number(step - LEAST_BASE // BASE_STEP, _SIZE)
        envelope.write(self._writer, self._symbols[index], self._classes[index], self._tables)


class SideReader:
    """Reads them again."""

    def __init__(self, reader: Reader, tables: EnvelopeTables) -> None:
        self._reader = reader
        self._tables = tables
        self._base: int | None = None
        self._previous: list[int] | None = None
        self._before: list[int] | None = None

    def read(self) -> tuple[int, list[int]]:
        """(base, levels) of the next group; raises `Damaged`."""
        if self._base is None:
            self._base = LEAST_BASE + BASE_STEP * self._reader.number(_SIZE)
        else:
            self._base += BASE_STEP * (self._reader.one(_CHANGES) - MOST_CHANGE)
        if not LEAST_BASE <= self._base <= MOST_BASE:
            raise Damaged("a step beyond its limits")
        levels = envelope.read(self._reader, self._previous, self._before, self._tables)
        self._before, self._previous = self._previous, levels
        return self._base, levels
