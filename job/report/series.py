"""From rows to the points of a curve: what is drawn, what cannot be, and how few points are enough."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from job.verdict.rows import Row

MOST_POINTS = 500
"""Of one curve that is drawn point by point: longer ones would fill the page, and the picture, with ink."""
STRETCHES = 250


@dataclass(frozen=True)
class Point:
    """A value at a step."""

    step: int
    epoch: int | None
    value: float


@dataclass(frozen=True)
class Series:
    """One metric's values in the order of training; ``lost`` are the steps where it was NaN or infinite."""

    points: tuple[Point, ...]
    lost: tuple[Point, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.points or self.lost)


def of(rows: Iterable[Row], metric: str) -> Series:
    """The series of a metric. Rows that do not have it are left out; those without a step stand at the one before."""
    found: list[Point] = []
    lost: list[Point] = []
    step = 0
    for row in rows:
        step = step if row.step is None else row.step
        value = row.get(metric)
        if value is not None:
            (found if math.isfinite(value) else lost).append(Point(step, row.epoch, value))
    return Series(tuple(found), tuple(lost))


@dataclass(frozen=True)
class Stretch:
    """Neighbouring points in one: where they end, and the lowest, the middle and the highest of their values."""

    at: Point
    low: float
    middle: float
    high: float


def stretches(points: Sequence[Point], count: int = STRETCHES) -> list[Stretch]:
    """Some points as so many stretches of equal numbers, so that no peak is lost. The last one ends with the newest."""
    edges = [number * len(points) // count for number in range(count + 1)]
    found = []
    for begin, end in pairwise(edges):
        part = points[begin:end]
        values = [point.value for point in part]
        found.append(Stretch(part[-1], min(values), median(values), max(values)))
    return found
