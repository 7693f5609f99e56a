from typing import Any

import pytest

from job.verdict.pace import Pace, shortfall

HOUR = 3600.0


def at(step: int = 1000, seconds_per_step: float | None = 0.5, planned: int | None = 101_000) -> Pace:
    """100,000 steps are left: 13.9 h at half a second each."""
    return Pace(step, planned, seconds_per_step, 0.0, None)


@pytest.mark.parametrize(
    ("limits", "name", "ends_at"),
    [
        ({"seconds": 6 * HOUR}, "max_hours leaves 6 h", 44_200),
        ({"usd": 6.9, "usd_per_hour": 0.69}, "max_cost leaves 10 h", 73_000),
        ({"seconds": 6 * HOUR, "usd": 2.07, "usd_per_hour": 0.69}, "max_cost leaves 3 h", 22_600),
        ({"seconds": 0.0}, "max_hours leaves 0 h", 1000),
    ],
)
def test_a_plan_that_a_limit_will_cut_off_is_told_with_its_figures(
    limits: dict[str, Any], name: str, ends_at: int
) -> None:
    told = shortfall(at(), **{"seconds": None, "usd": None, "usd_per_hour": None, **limits})
    assert told.startswith("the plan needs 13.9 h more at 0.5 s a step")
    assert name in told
    assert told.endswith(f"about step {ends_at} of 101000")


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
        (at(), None),
        (at(), 13 * HOUR),
        (at(seconds_per_step=None), 1.0),
        (at(planned=None), 1.0),
        (at(step=101_000), 1.0),
    ],
)
def test_a_plan_that_is_reached_or_not_known_is_no_matter(pace: Pace, seconds: float | None) -> None:
    assert shortfall(pace, seconds, None, 0.69) == ""
