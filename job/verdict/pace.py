"""How fast a run trains, measured from its rows: what a forecast of time or money stands on."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from job.verdict.rows import Row, collate

# Training rows come every few seconds. A longer gap proves no more than this much work.
MOST_BETWEEN_ROWS_SECONDS = 60.0
# A pace is measured to about so much: a plan that misses a limit by less may reach it.
SLACK = 0.1


@dataclass(frozen=True)
class Pace:
    """The newest attempt's way through its plan. What the rows do not say is None."""

    step: int | None
    planned_steps: int | None
    seconds_per_step: float | None
    """Validation and saving included."""
    unvalidated_seconds: float
    """Time that rows have been written in since the newest validation row, or since the start."""
    epoch_seconds: float | None
    """The usual time between two validation rows, or that of an epoch's steps where this is longer."""


def pace(rows: Iterable[Row]) -> Pace:
    """Measures the newest attempt that has rows."""
    own = _newest_attempt(rows)
    start = next((row for row in own if row.kind == "start"), None)
    timed = [row for row in own if row.kind != "start" and row.step is not None and _time(row) is not None]
    validations = [row for row in timed if row.kind == "validation"]
    seconds_per_step = _seconds_per_step(timed)
    steps_per_epoch = _whole(start, "steps_per_epoch")
    epoch = seconds_per_step * steps_per_epoch if seconds_per_step and steps_per_epoch else None
    waits = [seconds for seconds in (_between(validations), epoch) if seconds is not None]
    return Pace(
        step=timed[-1].step if timed else None,
        planned_steps=_whole(start, "planned_steps"),
        seconds_per_step=seconds_per_step,
        unvalidated_seconds=_unvalidated(own),
        epoch_seconds=max(waits, default=None),
    )


def seconds_left(of: Pace) -> float | None:
    """What the planned steps that are left take at the measured speed; None where plan or speed is not known."""
    if of.planned_steps is None or of.step is None or of.seconds_per_step is None:
        return None
    return max(of.planned_steps - of.step, 0) * of.seconds_per_step


def shortfall(of: Pace, seconds: float | None, usd: float | None, usd_per_hour: float | None) -> str:
    """What a run's pace leaves undone, in one sentence; empty where it reaches its plan, or nobody can tell.

    Args:
        seconds: what max_hours leaves; None without such a limit.
        usd: what max_cost leaves.
        usd_per_hour: the price of all pods.
    """
    wanted = seconds_left(of)
    if wanted is None or of.step is None or of.planned_steps is None or not of.seconds_per_step:
        return ""
    limits = [] if seconds is None else [(seconds, "max_hours")]
    if usd is not None and usd_per_hour:
        limits.append((usd / usd_per_hour * 3600, "max_cost"))
    left, name = min(limits, default=(math.inf, ""))
    if wanted <= (1 + SLACK) * left:
        return ""
    reached = of.step + int(max(left, 0.0) / of.seconds_per_step)
    return (
        f"the plan needs {wanted / 3600:.3g} h more at {of.seconds_per_step:.2g} s a step, {name} leaves "
        f"{max(left, 0.0) / 3600:.3g} h: it ends at about step {reached} of {of.planned_steps}"
    )


def _newest_attempt(rows: Iterable[Row]) -> list[Row]:
    ordered = collate(rows)
    newest = max((row.attempt for row in ordered), default=0)
    return [row for row in ordered if row.attempt == newest]


def _seconds_per_step(timed: Sequence[Row]) -> float | None:
    if not timed:
        return None
    first, last = timed[0], timed[-1]
    steps = (last.step or 0) - (first.step or 0)
    seconds = (_time(last) or 0.0) - (_time(first) or 0.0)
    return seconds / steps if steps > 0 and seconds > 0 else None


def _between(validations: Sequence[Row]) -> float | None:
    gaps = [later - earlier for earlier, later in pairwise(_times(validations)) if later > earlier]
    return median(gaps) if gaps else None


def _unvalidated(own: Sequence[Row]) -> float:
    # Summed from row to row: a machine that slept between two rows did not fail to validate in that time.
    kinds = [row.kind for row in own]
    since = len(kinds) - 1 - kinds[::-1].index("validation") if "validation" in kinds else 0
    gaps = [later - earlier for earlier, later in pairwise(_times(own[since:]))]
    return sum(min(max(gap, 0.0), MOST_BETWEEN_ROWS_SECONDS) for gap in gaps)


def _times(rows: Iterable[Row]) -> list[float]:
    return [time for row in rows if (time := _time(row)) is not None]


def _time(row: Row) -> float | None:
    value = row.get("time")
    return value if value is not None and math.isfinite(value) else None


def _whole(row: Row | None, name: str) -> int | None:
    value = row.get(name) if row else None
    return int(value) if value and math.isfinite(value) else None
