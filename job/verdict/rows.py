"""Metric rows: from JSON lines to the one sequence that a verdict may read.

A row is known by (attempt, kind, step). Late, duplicate and out-of-order rows and a torn last line change nothing, and
an attempt that resumed at step s hides what older attempts wrote after s.
"""

import codecs
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from job.verdict.json_line import load_object
from job.verdict.number_text import json_number, number

__all__ = ["ParsedLog", "Row", "collate", "json_number", "parse", "place", "row_of"]

# A row without `kind` (another trainer's file) is a validation row when it carries what only validation measures.
VALIDATION_ONLY = ("snr_db", "amplitude", "si_sdr_db", "correlation")
# Metrics with one number for each quantizer stage.
PER_STAGE = ("perplexity", "codes_used")


# Names that other trainers give to the kinds of rows.
KINDS = dict.fromkeys(("validation", "val", "valid", "validate", "eval", "evaluation", "dev", "test"), "validation")
KINDS |= dict.fromkeys(("train", "training"), "train") | {"start": "start"}
# What a figure is before it has been measured, where a trainer keeps the best so far.
_UNMEASURED = {"snr_db": -math.inf, "si_sdr_db": -math.inf, "mel_distance": math.inf, "l1_ratio": math.inf}
# Figures that only a validation makes. Where one of them is measured, an infinite one beside it is a fault.
_MEASURED = frozenset((*VALIDATION_ONLY, "l1_ratio", "mel_distance", "dc_offset", "lag"))


@dataclass(frozen=True, slots=True)
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
        value = self.values.get(name)
        if value is None and name in self.stages:
            return sum(self.stages[name]) / len(self.stages[name])
        return value


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
    lines = text_of(data).split("\n")
    for position, line in enumerate(lines):
        if not line.strip():
            continue
        fields = load_object(line)
        if fields is None:
            # The last line without its newline is a row that is still being written.
            unreadable += position < len(lines) - 1
            continue
        if fields.get("kind") == "start":
            if "time" in fields and fields in starts:
                continue
            attempt = first_attempt + len(starts)
            starts.append(fields)
        rows.append(row_of(fields, attempt))
    return ParsedLog(tuple(rows), unreadable)


def text_of(data: bytes) -> str:
    """The text of a file, by its byte order mark; without one it is UTF-8. Bytes that are no text become U+FFFD."""
    return data.decode(encoding_of(data[:4]), errors="replace")


def encoding_of(head: bytes) -> str:
    """The encoding of a file that begins with these bytes: UTF-8, or UTF-16 and UTF-32 with or without a mark."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # A metrics file begins with an ASCII character, so a zero beside it is the other half of UTF-16.
    if len(head) >= 2 and 0 in head[:2] and any(head[:2]):
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def collate(rows: Iterable[Row]) -> list[Row]:
    """The rows that count, in the order of training: one per (attempt, kind, step), hidden ones left out.

    Rows of equal step stand with the older attempt first, then with training before validation, since a validation row
    closes what was trained before it. Rows without a step follow the row before them.
    """
    first_seen: dict[tuple[Any, ...], Row] = {}
    starts: dict[int, int] = {}
    for position, row in enumerate(rows):
        if row.kind == "start":
            starts.setdefault(row.attempt, row.step or 0)
        key = (row.attempt, row.kind, row.step if row.step is not None else ("line", position))
        first_seen.setdefault(key, row)

    hidden_after = reach(starts)
    kept = [row for row in first_seen.values() if row.step is None or row.step <= hidden_after(row.attempt)]
    kept.sort(key=lambda row: row.attempt)
    ordered: list[tuple[tuple[int, int, int], Row]] = []
    last = (0, 0, 0)
    for row in kept:
        last = place_after(row, last)
        ordered.append((last, row))
    ordered.sort(key=lambda item: item[0])
    return [row for _, row in ordered]


def is_baseline(row: Row) -> bool:
    """Whether a validation row is the untrained model's. Epochs may count from 0: a step above 0 is a trained one."""
    return row.epoch == 0 if row.step is None else row.step == 0


def place(row: Row) -> tuple[int, int, int] | None:
    """Where `collate` puts a row: places sort as rows do. None for a row without a step, which follows another."""
    return None if row.step is None else (row.step, row.attempt, RANK.get(row.kind, 1))


def place_after(row: Row, last: tuple[int, int, int]) -> tuple[int, int, int]:
    """The place of a row behind one at ``last``: without a step of its own it stands where that one does."""
    return place(row) or (last[0], row.attempt, last[2] if last[1] == row.attempt else 0)


RANK = {"start": 0, "train": 1, "validation": 2}


def reach(starts: Mapping[int, int]) -> Callable[[int], float]:
    """Up to which step an attempt's rows count, by the steps at which attempts begin: later ones begin again there."""
    lowest: dict[int, float] = {}
    nearest = math.inf
    for attempt in sorted(starts, reverse=True):
        lowest[attempt] = nearest
        nearest = min(nearest, starts[attempt])

    def of(attempt: int) -> float:
        if attempt not in lowest:
            lowest[attempt] = min((step for later, step in starts.items() if later > attempt), default=math.inf)
        return lowest[attempt]

    return of


def row_of(fields: Mapping[str, Any], attempt: int) -> Row:
    """The row of one line of ``metrics.jsonl``."""
    values = numbers(fields)
    stages = {name: found for name in PER_STAGE if (found := number_list(fields.get(name)))}
    device = fields.get("device")
    kind = fields.get("kind")
    kind = KINDS.get(kind.strip().lower(), kind) if isinstance(kind, str) else None
    if kind == "start" and isinstance(config := fields.get("config"), dict):
        values = numbers(config) | _shape(config) | values
    drop_unmeasured(values)
    if kind is None:
        kind = "validation" if any(name in values for name in VALIDATION_ONLY) else "train"
    step, epoch = _integer(values.get("step")), _integer(values.get("epoch"))
    return Row(attempt, kind, step, epoch, values, stages, device if isinstance(device, str) else None)


def numbers(fields: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among the fields; numbers in strings are numbers."""
    return {name: value for name, raw in fields.items() if (value := number(raw)) is not None}


def _shape(config: Mapping[str, Any]) -> dict[str, float]:
    """What the rate of a model follows from: samples a frame, and whether its frames differ in their codes."""
    strides = number_list(config.get("strides"))
    lapped = config.get("transform") == "mdct" and bool(number(config.get("mean_quantizers")))
    # The bits of a scalar quantizer are entropy-coded: no start row says how many there will be.
    known = strides and config.get("quantizer", "rvq") != "scalar"
    return {"lapped": float(lapped)} | ({"hop": math.prod(strides)} if known else {})


def number_list(raw: Any) -> tuple[float, ...]:
    """The numbers of a list that has nothing else; empty for anything else."""
    if not isinstance(raw, list):
        return ()
    found = [value for item in raw if (value := number(item)) is not None]
    return tuple(found) if len(found) == len(raw) else ()


def drop_unmeasured(values: dict[str, float]) -> frozenset[str]:
    """Remove the figures that stand for "not validated yet" and return their names.

    Those are the SNR of minus infinity, and the like, of a row in which a validation has measured nothing else. A
    finite loss cannot go with an infinite SNR, so a row whose loss is not finite keeps them.
    """
    found = _MEASURED & values.keys()
    if not found or not math.isfinite(values.get("loss", 0.0)):
        return frozenset()
    if any(values[name] != _UNMEASURED.get(name) for name in found):
        return frozenset()
    for name in found:
        del values[name]
    return found


def _integer(value: float | None) -> int | None:
    return int(value) if value is not None and math.isfinite(value) else None
