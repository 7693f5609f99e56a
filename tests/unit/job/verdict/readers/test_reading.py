import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.verdict.readers.reading import Reading, read
from job.verdict.readers.records import UnreadableFileError
from job.verdict.rows import Row, collate, parse

BENCH = Path(__file__).parents[4] / "bench" / "verdicts" / "rows"


def reading_of(text: str, **mapped: str) -> Reading:
    return read(text.splitlines(keepends=True), {column: ours for ours, column in mapped.items()})


def validations(text: str, **mapped: str) -> list[Row]:
    return [row for row in reading_of(text, **mapped).table.collated() if row.kind == "validation"]


def figures(row: Row, *names: str) -> list[float | None]:
    return [row.get(name) for name in names]


LIGHTNING = """\
epoch,step,train_loss_step,train_loss_epoch,val_loss,val/snr,val_amp_pct,lr-AdamW,note
0,49,1.2,,,,,0.0003,
0,3999,,0.9,0.4,5.1,78.0,,
1,7999,,0.7,0.35,6.1,83.0,,x
"""


def test_lightning() -> None:
    reading = reading_of(LIGHTNING)
    first, second = validations(LIGHTNING)
    assert (first.step, first.epoch, second.epoch) == (3999, 1, 2)
    assert figures(first, "loss", "snr_db", "amplitude") == [0.4, 5.1, 0.78]
    assert reading.count("train") == 3
    assert list(reading.left_out) == ["note"]
    assert reading.recognised["val/snr"] == "snr_db (validation)"
    assert reading.notes == ["epochs count from 0: one was added to each"]


def test_hugging_face() -> None:
    history = [
        {"epoch": 0.5, "loss": 2.3, "learning_rate": 1e-4, "grad_norm": 1.5, "step": 2000},
        {"epoch": 1.0, "eval_loss": 0.3, "eval_snr": 6.1, "eval_runtime": 3.2, "step": 4000},
        {"epoch": 1.0, "train_loss": 1.0, "train_runtime": 9.0, "step": 4000},
    ]
    for indent in (None, 2):
        text = json.dumps({"best_metric": None, "log_history": history}, indent=indent)
        train, validation = reading_of(text).table.collated()
        assert (train.kind, train.epoch, *figures(train, "loss", "lr", "grad_norm")) == ("train", 0, 2.3, 1e-4, 1.5)
        assert (validation.epoch, validation.step, validation.get("snr_db")) == (1, 4000, 6.1)


def test_what_hugging_face_prints() -> None:
    text = "loading\n{'loss': 2.3, 'epoch': 0.5}\n100%|##| 3/3\n{'eval_loss': 0.3, 'eval_snr': nan, 'epoch': 1.0}\n"
    (row,) = validations(text)
    assert row.get("loss") == 0.3
    assert math.isnan(row.values["snr_db"])


def test_a_history_of_wandb() -> None:
    rows: list[dict[str, Any]] = [
        {"_step": 100, "_runtime": 3.2, "_timestamp": 1.7e9, "train/loss": 1.2, "val/snr": None, "epoch": 0},
        {"_step": 4000, "_runtime": 9.0, "_timestamp": 1.7e9 + 6, "train/loss": None, "val/snr": "NaN", "epoch": 1},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (row,) = validations(text)
    assert (row.step, row.epoch, row.get("time")) == (4000, 1, 1.7e9 + 6)
    assert math.isnan(row.values["snr_db"])
    assert [row.kind for row in reading_of(json.dumps(rows)).table] == ["train", "validation"]


def test_a_chart_of_wandb() -> None:
    text = '"Step","run-1 - val/snr","run-1 - val/snr__MIN","run-1 - val/snr__MAX"\n4000,5.5,5.5,5.5\n'
    (row,) = validations(text)
    assert (row.step, row.get("snr_db")) == (4000, 5.5)
    assert not reading_of(text).left_out
    with pytest.raises(UnreadableFileError, match="holds 2 runs"):
        reading_of('"Step","a - val/snr","b - val/snr"\n1,2,3\n')


CONSOLE = """\
Using device: cuda:0
Epoch 1: Loss=2.33, SNR=-inf
Epoch 2: Loss=0.83, SNR=-0.9 dB
Amplitude: 47.2%
Best SNR: 6.4, expected SNR > 5
Epoch 3/100 | train loss 0.31 | val loss 0.25 | val SNR 6.4 dB | 35.2 s
Amplitude: 81%
"""


def test_printed_lines() -> None:
    reading = reading_of(CONSOLE)
    rows = list(reading.table.collated())
    assert [(row.kind, row.epoch) for row in rows] == [
        ("train", 1),
        ("validation", 2),
        ("train", 3),
        ("validation", 3),
    ]
    assert figures(rows[0], "loss", "snr_db") == [2.33, None]
    assert figures(rows[1], "loss", "snr_db", "amplitude") == [0.83, -0.9, pytest.approx(0.472)]
    assert figures(rows[3], "loss", "snr_db", "amplitude") == [0.25, 6.4, 0.81]
    assert reading.unreadable_count == 0


@pytest.mark.parametrize(
    ("text", "kind", "step", "name", "value"),
    [
        ("2026-11-30 12:00:01,123 INFO Epoch [3/100] Step [1200/30000] Loss: 0.31\n", "train", 1200, "loss", 0.31),
        (
            "Steps : 210000, Gen Loss Total : 26.5, Mel-Spec. Error : 0.42, s/b : 0.3\n",
            "train",
            210000,
            "gen_loss",
            26.5,
        ),
        ("Validation epoch 3: loss 0.3, SNR (dB): 6.2\n", "validation", None, "snr_db", 6.2),
        ("[val] epoch=3 step=900 snr=nan amplitude=0.0\n", "validation", 900, "amplitude", 0.0),
        ("100/100 - 9s - loss: 0.5 - val_loss: 0.4 - val_snr: 1e1 - epoch: 3\n", "validation", None, "snr_db", 10.0),
    ],
)
def test_other_printed_lines(text: str, kind: str, step: int | None, name: str, value: float) -> None:
    row = [row for row in reading_of(text).table if row.kind == kind][-1]
    assert (row.step, row.get(name)) == (step, value)
    assert row.epoch in (3, None)


def test_a_figure_that_is_no_number_is_an_unreadable_line() -> None:
    assert reading_of("Epoch 1: Loss=0.3, SNR=???\n").unreadable_count == 1
    assert reading_of("Epoch 1: Loss=0.3, SNR=n/a\n").unreadable_count == 0
    assert reading_of("loss: L1 + VQ\nEpoch 1: Loss=0.3\n").unreadable_count == 0
    assert reading_of('{"step": 1, "val_snr": "lost"}\n').unreadable == [1]
    assert reading_of("epoch,step,val_snr\n1,2,3.0\n1,3\n2,4,5.0\n").unreadable == [3]


def test_what_is_still_being_written_is_no_unreadable_line() -> None:
    assert reading_of('{"step": 1, "val_snr": 3}\n{"step": 2, "val').unreadable_count == 0
    assert reading_of("epoch,step,val_snr\n1,2,3.0\n1,3").unreadable_count == 0


def test_not_validated_yet() -> None:
    rows = [{"epoch": 1, "train_loss": 0.5, "val_loss": "inf", "val_snr": "-inf"}, {"epoch": 2, "val_snr": 6.0}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert [(row.kind, row.get("snr_db")) for row in reading_of(text).table] == [("train", None), ("validation", 6.0)]
    blown = '{"epoch": 1, "train_loss": "nan", "val_loss": "inf", "val_snr": "-inf"}\n'
    assert [row.get("snr_db") for row in validations(blown)] == [-math.inf]


def test_an_amplitude_in_percent_is_proved_by_the_snr() -> None:
    in_percent = "epoch,step,val_snr,val_amplitude\n1,3000,2.0,62\n2,6000,8.0,92\n"
    assert [row.get("amplitude") for row in validations(in_percent)] == [pytest.approx(0.62), pytest.approx(0.92)]
    # An output 40 times too loud has such an SNR.
    blown_up = "epoch,step,val_snr,val_amplitude\n1,3000,2.0,0.62\n2,6000,-32,40\n"
    assert [row.get("amplitude") for row in validations(blown_up)] == [0.62, 40]


def test_epochs_from_zero() -> None:
    def epochs(*rows: tuple[float, int]) -> list[int | None]:
        return [row.epoch for row in validations("epoch,step,val_snr\n" + "".join(f"{a},{b},5\n" for a, b in rows))]

    assert epochs((0, 3000), (1, 6000)) == [1, 2]
    assert epochs((0, 0), (1, 6000)) == [0, 1], "an untrained model"
    assert epochs((0, 1000), (0, 2000), (1, 3000)) == [0, 0, 1], "validations within an epoch"
    assert epochs((0.5, 1000), (1.0, 2000)) == [0, 1], "epochs done"


def test_other_delimiters() -> None:
    assert validations("epoch;step;val_snr\n1;3000;5,5\n")[0].get("snr_db") == 5.5
    assert validations("epoch\tstep\tval_snr\n1\t3000\t5.5\n")[0].get("snr_db") == 5.5


def test_a_column_of_another_name() -> None:
    text = "epoch,step,val/my_snr,val/snr\n1,3000,7.0,1.0\n"
    assert validations(text, snr_db="val/my_snr")[0].get("snr_db") == 7.0
    reading = reading_of(text, snr_db="val/my_snr")
    assert list(reading.left_out) == ["val/snr"]
    assert validations('{"i": 4, "quality": 7}\n', snr_db="quality", step="i")[0].step == 4
    assert validations("Epoch 1: Quality=7\n", snr_db="Quality")[0].get("snr_db") == 7


def test_stages_in_columns_of_their_own() -> None:
    (row,) = validations("epoch,step,val_snr,val_perplexity_0,val_perplexity_10,val_perplexity_2\n1,9,5,0.5,0.1,0.3\n")
    assert row.stages["perplexity"] == (0.5, 0.3, 0.1)
    (row,) = validations('epoch,step,val_snr,val_perplexity\n1,9,5,"[0.5, 0.25]"\n')
    assert row.stages["perplexity"] == (0.5, 0.25)


def test_figures_of_one_step_in_several_records_are_one_row() -> None:
    text = '{"step": 9, "val_loss": 0.3}\n{"step": 9, "train_loss": 0.4}\n{"step": 9, "val_snr": 6}\n'
    (row,) = validations(text)
    assert figures(row, "loss", "snr_db") == [0.3, 6.0]


@pytest.mark.parametrize("path", sorted(BENCH.glob("*.jsonl")), ids=lambda path: path.stem)
def test_rows_of_our_own_trainer_are_read_as_a_run_reads_them(path: Path) -> None:
    data = path.read_bytes()
    expected = collate(parse(data).rows)
    found = list(read(data.decode("utf-8-sig").splitlines(keepends=True)).table.collated())
    assert [_in_words(row) for row in found] == [_in_words(row) for row in expected]


def _in_words(row: Row) -> str:
    return repr(replace(row, values=dict(sorted(row.values.items()))))


def test_what_is_no_metrics_file() -> None:
    assert len(reading_of("hello\nworld\n").table) == 0
    assert len(reading_of("").table) == 0
    with pytest.raises(UnreadableFileError, match="log_history"):
        reading_of('{\n "a": 1\n}\n')
    with pytest.raises(UnreadableFileError, match="not a whole JSON document"):
        reading_of('[\n{"a": 1},\n')
