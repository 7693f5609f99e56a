import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from job.verdict.row_table import RowTable
from job.verdict.rows import Row, collate, parse

ROWS = st.builds(
    Row,
    attempt=st.integers(1, 3),
    kind=st.sampled_from(["start", "train", "validation", "other"]),
    step=st.one_of(st.none(), st.integers(0, 8)),
    epoch=st.one_of(st.none(), st.integers(0, 3)),
    values=st.dictionaries(st.sampled_from(["loss", "snr_db"]), st.floats(allow_nan=False)),
    stages=st.dictionaries(st.sampled_from(["perplexity", "codes_used"]), st.tuples(st.floats(0, 1), st.floats(0, 1))),
    device=st.sampled_from([None, "cuda"]),
)


def numbered(row: Row) -> Row:
    """The row as a file gives it: with step and epoch among its numbers."""
    where = {name: float(at) for name, at in (("step", row.step), ("epoch", row.epoch)) if at is not None}
    return Row(row.attempt, row.kind, row.step, row.epoch, {**row.values, **where}, row.stages, row.device)


def table_of(rows: list[Row]) -> RowTable:
    table = RowTable()
    for row in rows:
        table.add(row.attempt, row.kind, row.values, row.stages, row.device)
    return table


@given(st.lists(ROWS, max_size=30))
@example([Row(1, "train", 1, None, {}), Row(2, "start", None, None, {})])  # a start without a step hides what was
def test_it_holds_rows_and_puts_them_in_the_order_of_collate(found: list[Row]) -> None:
    rows = [numbered(row) for row in found]
    table = table_of(rows)
    assert list(table) == rows
    assert list(table.collated()) == collate(rows)


def test_numbers_that_are_not_finite_stay() -> None:
    table = RowTable()
    table.add(1, "validation", {"step": math.inf, "epoch": math.nan, "loss": math.nan, "snr_db": -math.inf})
    (row,) = table
    assert (row.step, row.epoch, row.get("snr_db")) == (None, None, -math.inf)
    assert math.isnan(row.values["loss"])


def test_a_metric_is_changed_in_the_rows_of_one_kind() -> None:
    table = RowTable()
    table.add(1, "validation", {"step": 1.0, "amplitude": 50.0}, {"perplexity": (0.5, 0.25)})
    table.add(1, "validation", {"step": 2.0, "amplitude": 80.0}, {"perplexity": (0.5, 0.25)})
    table.add(1, "train", {"step": 3.0, "amplitude": 9.0})
    table.change("amplitude", "validation", by=0.01, plus=1.0)
    assert [row.get("amplitude") for row in table] == [1.5, 1.8, 9.0]
    assert list(table.column("amplitude", "validation")) == [1.5, 1.8]
    assert [row.get("perplexity") for row in table][:2] == [0.375, 0.375]
    assert table.names("validation") == {"step", "amplitude", "perplexity"}
    assert [table.count(kind) for kind in ("train", "validation", "start")] == [1, 2, 0]


@pytest.mark.parametrize("kind", ["train", "validation"])
def test_a_number_costs_eight_bytes(kind: str) -> None:
    table = RowTable()
    fields: dict[str, Any] = {f"m{number}": 0.5 for number in range(10)}
    (row,) = parse(json.dumps({"kind": kind, "step": 1, **fields}).encode() + b"\n").rows
    for step in range(1000):
        table.add(1, kind, {**row.values, "step": float(step)})
    held = sum(shape.numbers.buffer_info()[1] * shape.numbers.itemsize for shape in table._shapes)
    assert held == 1000 * 11 * 8
