"""From rows to the points of a curve: what is drawn, what cannot be, and how few points are enough."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from job.metrics_log import Row

MOST_POINTS = 1200
"""Of one curve: more than a screen has columns."""


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


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most so many of some points: of each stretch its lowest and its highest, so that no peak is lost."""
    if len(points) <= most:
        return list(points)
    stretches = most // 2
    kept: list[Point] = []
    for number in range(stretches):
        stretch = range(number * len(points) // stretches, (number + 1) * len(points) // stretches)
        ends = {pick(stretch, key=lambda at: points[at].value) for pick in (min, max)}
        kept += [points[at] for at in sorted(ends)]
    # What a reader looks at first: where it began and where it is now.
    return [points[0], *(point for point in kept if point not in (points[0], points[-1])), points[-1]]
