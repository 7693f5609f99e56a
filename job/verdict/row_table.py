"""A store of rows in memory at 8 bytes a number, for files of a million rows.

A :class:`~job.verdict.rows.Row` costs over a kilobyte. Here its numbers lie in one array, and the row is made again
each time it is read. `RowTable.collated` is `rows.collate` for such a store.
"""

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from job.verdict.rows import RANK, Row, reach

NO_STEP = -1


@dataclass(frozen=True, slots=True)
class _Shape:
    """What rows of one shape share. Their numbers lie side by side: `names` first, then each metric's stages."""

    attempt: int
    kind: str
    device: str | None
    names: tuple[str, ...]
    stages: tuple[tuple[str, int], ...]
    numbers: "array[float]"


class RowTable:
    """Rows in the order of the file."""

    def __init__(self) -> None:
        self._shapes: list[_Shape] = []
        self._index: dict[tuple[object, ...], int] = {}
        self._shape_of = array("I")
        self._begins = array("L")
        self._steps = array("q")

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Row]:
        return (self[number] for number in range(len(self)))

    def add(
        self,
        attempt: int,
        kind: str,
        values: Mapping[str, float],
        stages: Mapping[str, tuple[float, ...]] | None = None,
        device: str | None = None,
    ) -> None:
        """Append a row. ``values`` has ``step`` and ``epoch`` among its numbers, as a row of a file has."""
        names = tuple(values)
        layout = tuple((name, len(found)) for name, found in stages.items()) if stages else ()
        key = (attempt, kind, names, layout, device)
        at = self._index.get(key)
        if at is None:
            at = self._index[key] = len(self._shapes)
            self._shapes.append(_Shape(attempt, kind, device, names, layout, array("d")))
        numbers = self._shapes[at].numbers
        self._shape_of.append(at)
        self._begins.append(len(numbers))
        numbers.extend(values.values())
        if stages:
            for found in stages.values():
                numbers.extend(found)
        step = values.get("step")
        self._steps.append(int(step) if step is not None and -(2**62) < step < 2**62 else NO_STEP)

    def __getitem__(self, number: int) -> Row:
        shape = self._shapes[self._shape_of[number]]
        names, at = shape.names, self._begins[number]
        values = dict(zip(names, shape.numbers[at : at + len(names)], strict=True))
        at += len(names)
        stages = {}
        for name, count in shape.stages:
            stages[name] = tuple(shape.numbers[at : at + count])
            at += count
        return Row(
            shape.attempt, shape.kind, _whole(values.get("step")), _whole(values.get("epoch")), values, stages,
            shape.device,
        )  # fmt: skip

    def change(self, name: str, kind: str, by: float = 1.0, plus: float = 0.0) -> None:
        """Multiply a metric in all rows of a kind by a factor, then add to it."""
        for shape in self._shapes:
            if shape.kind != kind or name not in shape.names:
                continue
            width = len(shape.names) + sum(count for _, count in shape.stages)
            for at in range(shape.names.index(name), len(shape.numbers), width):
                shape.numbers[at] = shape.numbers[at] * by + plus

    def column(self, name: str, kind: str) -> Iterator[float]:
        """The values of a metric in the rows of a kind, shape by shape."""
        for shape in self._shapes:
            if shape.kind == kind and name in shape.names:
                width = len(shape.names) + sum(count for _, count in shape.stages)
                yield from (shape.numbers[at] for at in range(shape.names.index(name), len(shape.numbers), width))

    def names(self, kind: str) -> set[str]:
        """The metrics that at least one row of a kind has."""
        return {
            name
            for shape in self._shapes
            if shape.kind == kind
            for name in (*shape.names, *(name for name, _ in shape.stages))
        }

    def count(self, kind: str) -> int:
        """How many rows there are of a kind."""
        shapes = {number for number, shape in enumerate(self._shapes) if shape.kind == kind}
        return sum(1 for at in self._shape_of if at in shapes)

    def collated(self) -> Iterator[Row]:
        """The current rows in the order of training, as `rows.collate` returns them."""
        return (self[number] for number in self._order())

    def _order(self) -> list[int] | range:
        if self._in_order():
            return range(len(self))
        starts: dict[int, int] = {}
        for number, at in enumerate(self._shape_of):
            shape = self._shapes[at]
            if shape.kind == "start":
                starts.setdefault(shape.attempt, max(self._steps[number], 0))
        hidden_after = reach(starts)
        current = array("L")
        seen: dict[tuple[int, str], set[int]] = {}
        for number, at in enumerate(self._shape_of):
            shape, step = self._shapes[at], self._steps[number]
            if self._has_step(number):
                before = seen.setdefault((shape.attempt, shape.kind), set())
                if step in before:
                    continue
                before.add(step)
                if step > hidden_after(shape.attempt):
                    continue
            current.append(number)
        del seen
        # Sorting is stable, so an attempt's rows without a step stay behind the row before them.
        by_attempt = sorted(current, key=lambda number: self._shapes[self._shape_of[number]].attempt)
        places: dict[int, int] = {}
        last = attempt = rank = 0
        for number in by_attempt:
            shape = self._shapes[self._shape_of[number]]
            if self._has_step(number):
                last, rank = self._steps[number], RANK.get(shape.kind, 1)
            elif shape.attempt != attempt:
                rank = 0
            attempt = shape.attempt
            places[number] = ((last << 20) + attempt << 2) + rank
        return sorted(by_attempt, key=places.__getitem__)

    def _in_order(self) -> bool:
        """Whether the file's order is that of training, so that no row has to be moved or left out."""
        last = (0, 0, 0)
        for number, at in enumerate(self._shape_of):
            shape = self._shapes[at]
            if not self._has_step(number):
                # A start without a step begins at 0: it hides what stands before it.
                if shape.attempt < last[1] or (shape.kind == "start" and number):
                    return False
                last = (last[0], shape.attempt, last[2] if last[1] == shape.attempt else 0)
                continue
            place = (self._steps[number], shape.attempt, RANK.get(shape.kind, 1))
            if (number and place <= last) or shape.attempt < last[1]:
                return False
            last = place
        return True

    def _has_step(self, number: int) -> bool:
        # A step of minus one is written by nobody; a row that has it is read as one without.
        return self._steps[number] != NO_STEP


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and math.isfinite(value) else None
