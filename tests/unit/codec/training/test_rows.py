import json
import math
from pathlib import Path

import pytest

from codec.files import to_json, write_atomically
from codec.training.rows import RowWriter


def test_rows_are_on_the_file_once_written(tmp_path: Path) -> None:
    writer = RowWriter(tmp_path / "metrics.jsonl")
    writer.write("train", step=3, epoch=1, loss=0.5)
    row = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert row.pop("time") > 1e9
    assert row == {"kind": "train", "step": 3, "epoch": 1, "loss": 0.5}
    writer.close()


def test_numbers_that_json_has_not_are_strings() -> None:
    value = {"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": (1.5, None, True, "NaN")}
    assert json.loads(to_json(value)) == {
        "a": "NaN",
        "b": ["Infinity", {"c": "-Infinity"}],
        "d": [1.5, None, True, "NaN"],
    }


def test_a_row_after_a_torn_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "train"}\n{"kind": "tra')
    for step in (1, 2):
        writer = RowWriter(path)
        writer.write("train", step=step, epoch=0)
        writer.close()
    lines = path.read_text().splitlines()
    assert lines[1] == '{"kind": "tra'
    assert [json.loads(line)["step"] for line in lines[2:]] == [1, 2]


def test_an_atomic_write_leaves_one_file(tmp_path: Path) -> None:
    for text in ("old", "new"):
        write_atomically(tmp_path / "file", text)
        assert [path.read_text() for path in tmp_path.iterdir()] == [text]


def test_a_failed_atomic_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="file"):
        write_atomically(tmp_path / "file", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
