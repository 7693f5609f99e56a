import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.verdict import incremental
from job.verdict.checklist import evaluate
from job.verdict.checklist_spec import Checklist
from job.verdict.incremental import LiveJudge
from job.verdict.rows import Row

CHECKLIST = Checklist.model_validate({"epoch": 1, "min_steps": 4})
VALUES = st.fixed_dictionaries(
    {
        "loss": st.sampled_from([0.2, 0.7, 1.5, math.nan]),
        "snr_db": st.sampled_from([-12.0, -1.0, 2.0, 6.0, 7.0]),
        "amplitude": st.sampled_from([0.5, 0.7, 0.9]),
    }
)
ROWS = st.builds(
    Row,
    attempt=st.integers(1, 3),
    kind=st.sampled_from(["start", "train", "validation", "validation", "other"]),
    step=st.one_of(st.none(), st.integers(0, 8)),
    epoch=st.one_of(st.none(), st.integers(0, 3)),
    values=VALUES,
)


@given(st.lists(st.lists(ROWS, max_size=4), max_size=8))
def test_it_says_what_reading_everything_again_says(pieces: list[list[Row]]) -> None:
    live = LiveJudge(CHECKLIST)
    read: list[Row] = []
    for piece in pieces:
        live.see(piece)
        read += piece
        assert live.verdict() == evaluate(read, CHECKLIST)


def test_rows_in_order_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[int] = []
    real = incremental.collate

    def counted(rows: Any) -> Any:
        again.append(1)
        return real(rows)

    monkeypatch.setattr(incremental, "collate", counted)
    live = LiveJudge(CHECKLIST, [Row(1, "train", 100, 1, {"loss": 1.0})])
    live.see([Row(2, "start", 50, 0, {})])
    begun = len(again)
    for step in range(51, 500):
        live.see([Row(2, "train", step, 1, {"loss": 0.5}), Row(2, "validation", step, 1, {"snr_db": 1.0})])
    assert len(again) == begun
    assert len(live.rows) == 2 + 2 * 449


def test_rows_without_a_step_copies_and_a_resume_where_the_last_row_stands_are_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again: list[int] = []
    real = incremental.collate

    def counted(rows: Any) -> Any:
        again.append(1)
        return real(rows)

    monkeypatch.setattr(incremental, "collate", counted)
    live = LiveJudge(CHECKLIST, [Row(1, "start", 0, 0, {})])
    begun = len(again)
    for epoch in range(1, 50):
        row = Row(1, "validation", None, epoch, {"snr_db": 1.0})
        live.see([Row(1, "train", 10 * epoch, epoch, {"loss": 0.5}), row])
    newest = Row(1, "train", 500, 50, {"loss": 0.4})
    live.see([newest, newest, Row(2, "start", 500, 50, {}), Row(2, "train", 510, 50, {"loss": 0.4})])
    assert len(again) == begun
    assert live.verdict() == evaluate(live.rows, CHECKLIST)
