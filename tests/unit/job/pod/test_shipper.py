import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from job.cli import logs
from job.pod import shipper as shipping
from job.pod.shipper import Shipper
from job.record.run import Run
from job.verdict.rows import collate


@pytest.fixture
def shipper(run: Run, tmp_path: Path) -> Shipper:
    (tmp_path / "training").mkdir()
    return Shipper(run.attempt(1), tmp_path / "training", tmp_path / "job.log", 1)


def write(shipper: Shipper, first: int, last: int) -> None:
    with shipper.rows_file.path.open("a") as file:
        for step in range(first, last):
            file.write(json.dumps({"kind": "train", "step": step, "loss": 0.123456789}) + "\n")


def steps(run: Run) -> list[int | None]:
    return [row.step for row in collate(run.rows())]


def test_a_day_of_rows_is_a_hundred_pieces(shipper: Shipper, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "PIECE_BYTES", 4096)
    run.attempt(1).write("alive.json", {"state": "training", "time": 1.0})
    for step in range(0, 1000, 2):
        write(shipper, step, step + 2)
        shipper.ship_rows(at_once=True)
    assert steps(run) == list(range(1000))
    sizes = [len(piece) for _, piece in run.attempt(1).segments("metrics")]
    assert len(sizes) == sum(sizes) // 4096 + 1
    assert sum(sizes) == shipper.rows_file.path.stat().st_size


def test_rows_go_up_line_by_line(shipper: Shipper, run: Run) -> None:
    run.attempt(1).write("alive.json", {"state": "training", "time": 1.0})
    write(shipper, 0, 2)
    with shipper.rows_file.path.open("a") as file:
        file.write('{"kind": "tra')
    shipper.ship_rows(at_once=True)
    shipper.ship_rows(at_once=True)
    assert steps(run) == [0, 1]
    with shipper.rows_file.path.open("a") as file:
        file.write('in", "step": 2}\n')
    shipper.ship_rows(at_once=True)
    assert steps(run) == [0, 1, 2]


def test_an_agent_that_is_started_again_goes_on_behind_its_predecessor(shipper: Shipper, run: Run) -> None:
    run.attempt(1).write("alive.json", {"state": "training", "time": 1.0})
    write(shipper, 0, 3)
    shipper.ship_rows(at_once=True)
    again = Shipper(run.attempt(1), shipper.folder, shipper.log_file.path, 1)
    write(shipper, 3, 4)
    again.ship_rows(at_once=True)
    assert steps(run) == [0, 1, 2, 3]


def test_the_log_command_prints_a_growing_piece_once(shipper: Shipper, run: Run) -> None:
    reader = logs._Reader(run, 0, "", None)
    runner = CliRunner()

    def printed() -> str:
        with runner.isolation() as (out, *_):
            reader.print_new(at_end=False)
            return out.getvalue().decode()

    shipper.log_file.path.write_text("one\n")
    shipper.ship_log(at_once=True)
    assert printed() == "one\n"
    shipper.log_file.path.write_text("one\ntwo\n")
    shipper.ship_log(at_once=True)
    assert printed() == "two\n"
    run.attempt(1).add_segment("log", 2, b"three\n")
    assert printed() == "three\n"
    assert printed() == ""
