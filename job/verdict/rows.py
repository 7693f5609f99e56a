"""Metric rows: from JSON lines to the one sequence that a verdict may read.

A row is known by (attempt, kind, step). Late, duplicate and out-of-order rows and a torn last line change nothing, and
an attempt that resumed at step s hides what older attempts wrote after s.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# "NaN", "Infinity" and "-Infinity" are the trainer's own spelling; the others are what str() and printf make of them.
NON_FINITE = {"nan": math.nan, "inf": math.inf, "infinity": math.inf}
NON_FINITE |= {f"-{name}": -value for name, value in NON_FINITE.items()}
# A row without `kind` (another trainer's file) is a validation row when it carries what only validation measures.
VALIDATION_ONLY = ("snr_db", "amplitude", "si_sdr_db", "correlation")
# Metrics with one number for each quantizer stage.
PER_STAGE = ("perplexity", "codes_used")


def json_number(value: float) -> float | str:
    """A number as the metric files write it: non-finite ones as strings that any JSON reader can read."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


@dataclass(frozen=True)
class Row:
    """One metric row.

    ``step`` and ``epoch`` are None where the file does not say. ``values`` holds the numbers alone, non-finite ones as
    floats; what is missing or is not a number is absent. A start row has the numbers of its configuration too.
    ``stages`` holds the metrics that have a number for each quantizer stage.
    """

    attempt: int
    kind: str
    step: int | None
    epoch: int | None
    values: Mapping[str, float]
    stages: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    device: str | None = None

    def get(self, name: str) -> float | None:
        """The metric's value, the mean over stages where it has one for each; None where the row does not have it."""
        if name in self.stages:
            return sum(self.stages[name]) / len(self.stages[name])
        return self.values.get(name)


@dataclass(frozen=True)
class ParsedLog:
    """Rows in the file's order, and how many whole lines were not JSON objects."""

    rows: tuple[Row, ...]
    unreadable: int


def parse(data: bytes, first_attempt: int = 1) -> ParsedLog:
    """Reads ``metrics.jsonl``. Each ``start`` row begins an attempt; what stands before the first belongs to it too.

    A copy of an earlier ``start`` row, down to its time, begins nothing.
    """
    rows: list[Row] = []
    unreadable = 0
    attempt = first_attempt
    starts: list[dict[str, Any]] = []
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            # The last line without its newline is a row that is still being written.
            unreadable += number < len(lines) - 1
            continue
        if not isinstance(fields, dict):
            unreadable += 1
            continue
        if fields.get("kind") == "start":
            if "time" in fields and fields in starts:
                continue
            attempt = first_attempt + len(starts)
            starts.append(fields)
        rows.append(_row(fields, attempt))
    return ParsedLog(tuple(rows), unreadable)


def collate(rows: Iterable[Row]) -> list[Row]:
    """The rows that count, in the order of training: one per (attempt, kind, step), hidden ones left out.

    Rows of equal step stand with the older attempt first, then with training before validation, since a validation row
    closes what was trained before it. Rows without a step follow the row before them.
    """
    first_seen: dict[tuple[Any, ...], Row] = {}
    starts: dict[int, int] = {}
    for number, row in enumerate(rows):
        if row.kind == "start":
            starts.setdefault(row.attempt, row.step or 0)
        key = (row.attempt, row.kind, row.step if row.step is not None else ("line", number))
        first_seen.setdefault(key, row)

    kept = [row for row in first_seen.values() if not _hidden(row, starts)]
    kept.sort(key=lambda row: row.attempt)
    ordered: list[tuple[tuple[int, int, int], Row]] = []
    last = 0
    for row in kept:
        last = row.step if row.step is not None else last
        ordered.append(((last, row.attempt, _RANK.get(row.kind, 1)), row))
    ordered.sort(key=lambda item: item[0])
    return [row for _, row in ordered]


def is_baseline(row: Row) -> bool:
    """Whether a validation row is the untrained model's. Epochs may count from 0: a step above 0 is a trained one."""
    return row.epoch == 0 if row.step is None else row.step == 0


def place(row: Row) -> tuple[int, int, int] | None:
    """Where `collate` puts a row: places sort as rows do. None for a row without a step, which follows another."""
    return None if row.step is None else (row.step, row.attempt, _RANK.get(row.kind, 1))


_RANK = {"start": 0, "train": 1, "validation": 2}


def _hidden(row: Row, starts: Mapping[int, int]) -> bool:
    if row.step is None:
        return False
    return any(attempt > row.attempt and row.step > step for attempt, step in starts.items())


def _row(fields: Mapping[str, Any], attempt: int) -> Row:
    values = _numbers(fields)
    stages = {name: numbers for name in PER_STAGE if (numbers := _list_of_numbers(fields.get(name)))}
    kind, device = fields.get("kind"), fields.get("device")
    if kind == "start" and isinstance(config := fields.get("config"), dict):
        values = _numbers(config) | _shape(config) | values
    if not isinstance(kind, str):
        kind = "validation" if any(name in values for name in VALIDATION_ONLY) else "train"
    step, epoch = _integer(values.get("step")), _integer(values.get("epoch"))
    return Row(attempt, kind, step, epoch, values, stages, device if isinstance(device, str) else None)


def _numbers(fields: Mapping[str, Any]) -> dict[str, float]:
    return {name: number for name, raw in fields.items() if (number := _number(raw)) is not None}


def _shape(config: Mapping[str, Any]) -> dict[str, float]:
    """What the rate of a model follows from: samples a frame, and whether its frames differ in their codes."""
    strides = _list_of_numbers(config.get("strides"))
    lapped = config.get("transform") == "mdct" and bool(_number(config.get("mean_quantizers")))
    # The bits of a scalar quantizer are entropy-coded: no start row says how many there will be.
    known = strides and config.get("quantizer", "rvq") != "scalar"
    return {"lapped": float(lapped)} | ({"hop": math.prod(strides)} if known else {})


def _list_of_numbers(raw: Any) -> tuple[float, ...]:
    """The numbers of a list that has nothing else; empty for anything else."""
    if not isinstance(raw, list):
        return ()
    numbers = [number for item in raw if (number := _number(item)) is not None]
    return tuple(numbers) if len(numbers) == len(raw) else ()


def _number(raw: Any) -> float | None:
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int | float):
        try:
            return float(raw)
        except OverflowError:
            return math.inf if raw > 0 else -math.inf
    if isinstance(raw, str):
        return NON_FINITE.get(raw.strip().lower().removeprefix("+"))
    return None


def _integer(value: float | None) -> int | None:
    return int(value) if value is not None and math.isfinite(value) else None
