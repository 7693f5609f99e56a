"""codecjob check: a file in, a verdict with its exit code out, and what was made of the file."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from job.cli import cli
from job.spec.load import load_spec

GOOD = {"kind": "validation", "epoch": 1, "step": 3000, "loss": 0.1, "snr_db": 6.0, "amplitude": 0.9}
BETTER = {**GOOD, "epoch": 2, "step": 6000, "snr_db": 7.0}


def check(path: Path, *options: str | Path) -> Result:
    return CliRunner().invoke(cli, ["check", str(path), *map(str, options)])


def judged(path: Path, *options: str | Path) -> dict[str, Any]:
    document = json.loads(check(path, *options, "--json").stdout)
    assert isinstance(document, dict)
    return document


def written(folder: Path, *rows: dict[str, Any] | str, name: str = "metrics.jsonl", encoding: str = "utf-8") -> Path:
    path = folder / name
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding=encoding)
    return path


def test_a_good_file(tmp_path: Path) -> None:
    done = check(written(tmp_path, GOOD, BETTER))
    assert done.exit_code == 0
    assert done.stdout.startswith("GOOD")
    assert "as JSON lines: 0 training rows, 2 validation rows" in done.stdout
    assert "judged by: recipe waveform, checklist: default" in done.stdout


@pytest.mark.parametrize(
    "bad",
    [
        {**BETTER, "epoch": 3, "step": 9000, "loss": "3.1", "snr_db": "-2.0", "amplitude": "0.3"},
        '{"kind":"validation","epoch":3,"step":9000,"loss":nan,"snr_db":nan,"amplitude":nan}',
        {**BETTER, "kind": "eval", "epoch": "3", "step": "9000", "snr_db": "-Infinity"},
        "{'epoch': 3, 'step': 9000, 'val_loss': 0.1, 'val/SNR (dB)': -2.0, 'val_amplitude': 0.3}",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_a_bad_row_is_bad_in_any_spelling(tmp_path: Path, bad: Any, encoding: str) -> None:
    path = written(tmp_path, GOOD, BETTER, bad, encoding=encoding)
    assert check(path).exit_code == 20


def test_an_unreadable_line_withholds_good(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD, "Segmentation fault", BETTER)
    done = check(path)
    assert done.exit_code == 10
    assert "GOOD is withheld: 1 line cannot be read (line 2)" in done.stdout
    document = judged(path)
    assert (document["verdict"], document["reading"]["unreadable_lines"]) == ("undecided", 1)
    assert document["signs"][-1]["sign"] == "unreadable"
    broken = written(tmp_path, GOOD, {**BETTER, "snr_db": "lost"}, BETTER | {"step": 9000})
    assert judged(broken)["verdict"] == "undecided"


def test_it_says_what_it_recognised_and_left_out(tmp_path: Path) -> None:
    text = "epoch,step,val_loss,val/my_snr,val/amp_pct,quality\n1,3000,0.1,6,90,1\n2,6000,0.1,7,91,1"
    path = written(tmp_path, text, name="metrics.csv")
    done = check(path)
    assert done.exit_code == 10
    assert "recognised: val_loss as loss (validation), val/amp_pct as amplitude (validation)" in done.stdout
    assert "left out: val/my_snr, quality (read one with --map NAME=COLUMN)" in done.stdout
    assert check(path, "--map", "snr_db=val/my_snr").exit_code == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("snr=x", "--map snr=x: unknown metric snr"),
        ("snr_db", "--map snr_db: give NAME=COLUMN"),
        ("snr_db=val/none", "--map snr_db=val/none"),
    ],
)
def test_a_wrong_map(tmp_path: Path, given: str, said: str) -> None:
    done = check(written(tmp_path, GOOD), "--map", given)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello\nworld", "is not a metrics file"),
        ("a,b\n1,2", "none of its columns is a known metric (a, b)"),
        ('{"x": 1}', "none of its columns is a known metric (x)"),
        ('{\n "log": []\n}', "without log_history"),
        ('[\n{"a": 1},', "not a whole JSON document"),
    ],
)
def test_what_is_no_metrics_file(tmp_path: Path, text: str, said: str) -> None:
    done = check(written(tmp_path, text))
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_empty_file_is_undecided(tmp_path: Path) -> None:
    assert check(written(tmp_path)).exit_code == 10


def spec_of(folder: Path, **checklist: Any) -> Path:
    path = folder / "job.yaml"
    path.write_text(json.dumps({"name": "tiny", "data": ".", "train": {"num_epochs": 9}, "checklist": checklist}))
    return path


def test_rows_of_a_discriminator_are_no_waveform_run(tmp_path: Path) -> None:
    rows = [{**GOOD, "loss": 26.5, "disc_loss": 1.9, "snr_db": 1.0}]
    document = judged(written(tmp_path, *rows))
    assert document["verdict"] == "undecided"
    assert document["judged_by"] == {"recipe": "perceptual", "checklist": "default", "why": "the rows have disc_loss"}
    plain = spec_of(tmp_path, recipe="waveform", min_steps=100)
    assert judged(tmp_path / "metrics.jsonl", "--spec", plain)["judged_by"]["recipe"] == "perceptual"
    own = spec_of(tmp_path, signs={"loss": {"bad_above": 20.0}})
    document = judged(tmp_path / "metrics.jsonl", "--spec", own)
    assert document["judged_by"]["recipe"] == "waveform"
    assert "the rows have disc_loss" in document["judged_by"]["why"]


def test_a_pulled_run_is_judged_by_its_own_checklist(tmp_path: Path) -> None:
    path = written(tmp_path, {**GOOD, "step": 300, "snr_db": -1.0})
    assert judged(path)["verdict"] == "undecided"
    spec = load_spec(spec_of(tmp_path, min_steps=100)).model_dump(mode="json")
    (tmp_path / "run.json").write_text(json.dumps({"run": "tiny-1", "submitted": 1.0, "dataset": "d", "spec": spec}))
    document = judged(path)
    assert (document["verdict"], document["judged_by"]["checklist"]) == ("bad", "run.json")
    other = spec_of(tmp_path, min_steps=1000)
    assert judged(path, "--spec", other)["verdict"] == "undecided", "a spec that is named goes before it"
    (tmp_path / "run.json").write_text('{"run": "x", "spec": {"nonsense": 1}}')
    done = check(path)
    assert done.exit_code == 2
    assert "run.json" in done.stderr
    (tmp_path / "run.json").write_text("of another tool")
    assert judged(path)["judged_by"]["checklist"] == "default"


def test_printed_lines_decide_by_epochs(tmp_path: Path) -> None:
    lines = ["Epoch 1: Loss=2.33, SNR=-inf", "Epoch 2: Loss=0.41, SNR=-1.11 dB", "Amplitude: 53%"]
    path = written(tmp_path, *lines, name="train.log")
    document = judged(path)
    assert document["verdict"] == "bad"
    assert document["reading"]["format"] == "console lines"
    assert "min_steps is left out" in document["reading"]["notes"][0]
    assert judged(written(tmp_path, lines[0], name="train.log"))["verdict"] == "undecided"
