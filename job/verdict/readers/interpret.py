"""From a record with foreign names to the values of one or two rows: training and validation."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from job.verdict.number_text import is_percent, number
from job.verdict.readers.columns import FIELDS, Plan
from job.verdict.readers.vocabulary import SHARED
from job.verdict.rows import KINDS, PER_STAGE, drop_unmeasured, number_list, row_of

# What stands where nothing was measured.
EMPTY = frozenset({"", "none", "null", "n/a", "na", "-", "--", "nil"})
Values = tuple[dict[str, float], dict[str, tuple[float, ...]]]
"""The numbers of a row, and its metrics that have one for each stage."""
Lists = dict[str, dict[str, tuple[float, ...]]]
EXACT = 2**53  # larger whole numbers may not fit into a float
JUDGED = frozenset(FIELDS)


def interpret(fields: Mapping[str, Any], plan: Plan, unreadable: Callable[[str], None]) -> dict[str, Values]:
    """Return the values and the stages of each kind of row that a record holds.

    Args:
        fields: the record.
        plan: for the record's names.
        unreadable: told the name of a column that is read and holds neither a number nor nothing.
    """
    named_kind = _named_kind(fields, plan)
    if named_kind == "start":
        start = row_of({**fields, "kind": "start"}, 1)
        return {"start": (dict(start.values), dict(start.stages))}
    if named_kind and plan.plain:
        return {named_kind: _plain(fields, plan, unreadable)}
    present = [column for column in plan.columns if _is_there(fields.get(column.name))]
    by_name = {column.means.ours for column in present if column.means.phase == "validation"}
    validates = any(_is_there(fields.get(name)) for name in plan.validation_only)
    shared: dict[str, float] = {}
    found: dict[str, dict[str, float]] = {}
    stages: dict[str, dict[str, dict[int, float]]] = {}
    lists: Lists = {}
    for column in present:
        raw, means = fields[column.name], column.means
        # Beside `val_loss` a plain `loss` is that of training; alone beside an SNR it is the validation's.
        unnamed = "validation" if validates and means.ours not in by_name else "train"
        phase = named_kind or means.phase or unnamed
        if means.ours in PER_STAGE and (several := _several(raw)):
            lists.setdefault(phase, {}).setdefault(means.ours, several)
            continue
        value = number(raw)
        if value is None:
            if not isinstance(raw, list | dict | bool):
                unreadable(column.name)
            continue
        if means.percent and not is_percent(raw):
            value /= 100
        if means.ours in SHARED:
            shared.setdefault(means.ours, value)
        elif means.stage is not None:
            stages.setdefault(phase, {}).setdefault(means.ours, {})[means.stage] = value
        else:
            found.setdefault(phase, {}).setdefault(means.ours, value)
    _join_stages(stages, lists)
    if "validation" in found:
        _drop_unmeasured(found, is_validation=named_kind == "validation" or bool(by_name & found["validation"].keys()))
    return {phase: (shared | found.get(phase, {}), lists.get(phase, {})) for phase in sorted({*found, *lists})}


def _plain(fields: Mapping[str, Any], plan: Plan, unreadable: Callable[[str], None]) -> Values:
    """The same for a row of `codec train`, of which a file may have a million."""
    values: dict[str, float] = {}
    stages: dict[str, tuple[float, ...]] = {}
    for name in plan.plain:
        raw = fields[name]
        if type(raw) is float or (type(raw) is int and abs(raw) < EXACT):
            values[name] = raw
        elif (value := number(raw)) is not None:
            values[name] = value
        elif isinstance(raw, list):
            if name in PER_STAGE and (several := number_list(raw)):
                stages[name] = several
        elif isinstance(raw, str) and name in JUDGED and _is_there(raw):
            unreadable(name)
    drop_unmeasured(values)
    return values, stages


def _join_stages(stages: dict[str, dict[str, dict[int, float]]], lists: Lists) -> None:
    for phase, metrics in stages.items():
        for name, by_stage in metrics.items():
            lists.setdefault(phase, {})[name] = tuple(by_stage[at] for at in sorted(by_stage))


def _drop_unmeasured(found: dict[str, dict[str, float]], is_validation: bool) -> None:
    """Leave out figures that stand for "not validated yet", and a validation that has nothing else."""
    validation = found["validation"]
    beside = found.get("train", {})
    if validation.get("loss") == math.inf and math.isfinite(beside.get("loss", math.nan)):
        # The best loss so far is infinite where the best SNR so far is minus infinity.
        without = {name: value for name, value in validation.items() if name != "loss"}
        if not drop_unmeasured(without):
            return
        found["validation"] = validation = without
    elif not drop_unmeasured(validation):
        return
    if not is_validation:
        # Nothing was validated, so the loss of this row is that of training.
        found["train"] = {**validation, **beside}
    if not is_validation or not validation:
        del found["validation"]


def _named_kind(fields: Mapping[str, Any], plan: Plan) -> str | None:
    raw = fields.get(plan.kind_field) if plan.kind_field else None
    if not isinstance(raw, str):
        return None
    # Another word is kept. Such rows are neither training nor validation, and nobody judges them.
    known = KINDS.get(raw) or KINDS.get(raw.strip().lower())
    return known or (raw if plan.kind_field == "kind" else None)


def _is_there(raw: Any) -> bool:
    return raw is not None and not (isinstance(raw, str) and raw.strip().lower() in EMPTY)


def _several(raw: Any) -> tuple[float, ...]:
    if isinstance(raw, str) and raw.startswith("["):
        try:
            raw = json.loads(raw)
        except ValueError:
            return ()
    return number_list(raw)
