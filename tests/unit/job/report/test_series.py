"""From rows to points."""

import math

from job.report import series
from job.report.series import Point
from job.verdict.rows import Row


def row(step: int | None, **values: float) -> Row:
    return Row(1, "train", step, 0, values)


def test_what_is_not_finite_is_told_apart_and_what_is_missing_left_out() -> None:
    found = series.of([row(1, loss=2.0), row(2, loss=math.nan), row(3), row(None, loss=1.0)], "loss")
    assert [(point.step, point.value) for point in found.points] == [(1, 2.0), (3, 1.0)]
    assert [point.step for point in found.lost] == [2]
    assert not series.of([row(1)], "loss")


def test_a_long_curve_keeps_its_peaks_its_middle_and_its_end() -> None:
    points = [Point(step, 0, 1.0) for step in range(50_001)]
    points[31_415] = Point(31_415, 0, 99.0)
    points[2_718] = Point(2_718, 0, -99.0)
    found = series.stretches(points)
    assert len(found) == series.STRETCHES
    assert [part.at.step for part in found] == sorted(part.at.step for part in found)
    assert found[-1].at == points[-1]
    assert {part.middle for part in found} == {1.0}
    assert (max(part.high for part in found), min(part.low for part in found)) == (99.0, -99.0)
    assert sum(part.high > 1 for part in found) == 1
