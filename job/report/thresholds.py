"""The limits of a checklist as lines over a metric's curve."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from job.verdict.checklist_spec import Band, Checklist
from job.verdict.clock import Clock
from job.verdict.rows import Row

State = Literal["good", "bad"]


@dataclass(frozen=True)
class Line:
    """A limit: what lies above it, or below it, is good or bad."""

    value: float
    state: State
    side: Literal["above", "below"]
    said: str
    sign: str
    table: bool = True
    """False for a hard fault or a cause: drawn only where the curve comes near."""


# Causes and faults that are one limit of one metric, so that a line can say them: name, metric, side.
_CAUSES: tuple[tuple[str, str, Literal["above", "below"]], ...] = (
    ("silent_plateau", "l1_ratio", "above"),
    ("codebook_collapse", "perplexity", "below"),
    ("inverted", "correlation", "below"),
    ("zero_correlation", "correlation", "below"),
    ("trivial", "snr_db", "above"),
)


def lines(checklist: Checklist, metric: str) -> list[Line]:
    """Every limit that the checklist has for a metric, the table's first."""
    found: list[Line] = []
    for name, band in checklist.bands():
        if name == metric:
            found += _of_band(name, band)
    for cause, of, side in _CAUSES:
        limit = checklist.causes.get(cause)
        if of == metric and limit is not None:
            found.append(Line(limit.limit, "bad", side, f"{cause} {_sign(side)} {limit.limit:g}", cause, table=False))
    if metric == "snr_db":
        value = checklist.faults.blow_up_snr_db
        found.append(Line(value, "bad", "below", f"blow_up < {value:g}", "blow_up", table=False))
    if metric == "dead_codebook_steps":
        steps = checklist.faults.dead_codebook_steps
        found.append(Line(steps, "bad", "above", f"dead_codebooks at {steps}", "dead_codebooks", table=False))
    return found


def decides_from(checklist: Checklist, rows: Sequence[Row]) -> int | None:
    """The step of the first validation row that may decide; None where there is none yet."""
    clock = Clock(checklist)
    for row in rows:
        clock.see(row)
        if row.kind == "start":
            clock.new_attempt(row)
        elif row.kind == "validation" and clock.decides(row):
            return row.step
    return None


def zones(found: Sequence[Line], low: float, high: float) -> list[tuple[State, float, float]]:
    """Where, between ``low`` and ``high``, the table finds a value bad or good: state, begin, end."""
    table = [line for line in found if line.table]
    bad: list[tuple[State, float, float]] = [
        ("bad", line.value, high) if line.side == "above" else ("bad", low, line.value)
        for line in table
        if line.state == "bad"
    ]
    good = [line for line in table if line.state == "good"]
    if not good:
        return bad
    # Good is what lies beyond every good limit.
    begin = max((line.value for line in good if line.side == "above"), default=low)
    end = min((line.value for line in good if line.side == "below"), default=high)
    return [*bad, ("good", begin, end)]


def _of_band(name: str, band: Band) -> Iterator[Line]:
    limits: tuple[tuple[float | None, State, Literal["above", "below"]], ...] = (
        (band.good_above, "good", "above"),
        (band.good_below, "good", "below"),
        (band.bad_above, "bad", "above"),
        (band.bad_below, "bad", "below"),
    )
    for value, state, side in limits:
        if value is not None:
            yield Line(value, state, side, f"{state} {_sign(side)} {value:g}", name)


def _sign(side: str) -> str:
    return ">" if side == "above" else "<"
