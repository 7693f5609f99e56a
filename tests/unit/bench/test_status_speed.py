from pathlib import Path

import pytest

from infra.store import open_store
from job.record.find import list_runs
from job.record.run import Run
from job.verdict.rows import parse
from tests.bench.status_speed import _fill, drawn_out

pytestmark = pytest.mark.slow


def test_the_runs_are_whole_and_as_long_as_was_asked(tmp_path: Path) -> None:
    _fill(tmp_path, 8, drawn_out(60))
    store = open_store(str(tmp_path / "store"))
    names = list_runs(store)
    assert len(names) == 8
    for name in names:
        found = Run(store, name).rows()
        assert sum(row.kind == "train" for row in found) == 60
        assert [row.epoch for row in found if row.kind == "validation"] == list(range(21))


def test_rows_are_drawn_out_to_an_hour() -> None:
    rows = parse(drawn_out(1800)).rows
    times = [row.values["time"] for row in rows if row.kind == "train"]
    assert 3590 < times[-1] - times[0] < 3610
