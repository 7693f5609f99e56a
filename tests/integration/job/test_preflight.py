"""The look before the start, by the real command on real clips; and the difference to the run before."""

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

ROOT = Path(__file__).parents[3]


def look(desk: Any, *words: str | Path, expect: int = 0) -> dict[str, Any]:
    """The report of a preflight, which must leave nothing behind."""
    temporary = desk.folder / "temporary"
    temporary.mkdir(exist_ok=True)
    desk.env["TMPDIR"] = str(temporary)  # its own: other tests run at the same time
    done = desk.command("preflight", *words, "--json")
    assert done.returncode == expect, done.stdout + done.stderr
    assert not (desk.folder / "home").exists()
    assert list(temporary.glob("codecjob-trial-*")) == []
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["ok"] is (expect == 0)
    return report


def said(report: dict[str, Any], check: str) -> list[tuple[str, str]]:
    return [(item["level"], item["message"]) for item in report["findings"] if item["check"] == check]


@pytest.mark.parametrize("name", ["quickstart", "bad-run"])
def test_the_demos_specs_pass(desk: Any, name: str) -> None:
    report = look(desk, ROOT / "examples" / f"{name}.yaml", "--no-step")
    assert (report["errors"], report["steps_per_epoch"], report["planned_steps"]) == (0, 126, 252)
    assert "47-m7.flac" in said(report, "silent")[0][1]
    assert "35-m7.flac" in said(report, "clipped")[0][1]


def test_two_real_steps(desk: Any) -> None:
    report = look(desk, desk.spec())
    ((level, message),) = said(report, "trial")
    assert level == "note"
    assert message.startswith("2 training steps, validation and checkpoint work here: loss 0.")


def test_a_training_that_fails_at_once_is_found_here(desk: Any) -> None:
    desk.env["CUDA_VISIBLE_DEVICES"] = ""
    report = look(desk, desk.spec(train={"device": "cuda"}), expect=2)
    ((level, message),) = said(report, "trial")
    assert level == "error"
    assert message.startswith("the trainer fails at its first steps: --device cuda: torch finds no CUDA device here")


def test_all_broken_clips_are_named_at_once(desk: Any) -> None:
    first, second, *_ = sorted((desk.folder / "clips").iterdir())
    first.write_bytes(first.read_bytes()[:1000])
    second.write_text("text")
    done = desk.command("submit", desk.spec())
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {desk.folder / 'clips'}: 2 of 6 clips cannot be used: {first.name} (")
    assert second.name in line


def test_a_recording_in_two_formats_is_a_leak(desk: Any) -> None:
    for path in list((desk.folder / "clips").iterdir()):
        soundfile.write(path.with_suffix(".ogg"), *soundfile.read(path))
    report = look(desk, desk.spec(train={"validation_share": 0.5}), "--no-step")
    assert said(report, "leak")[0][0] == "warning"


def test_too_few_steps_to_be_judged(desk: Any) -> None:
    spec = desk.spec(checklist={"min_steps": 3000})
    report = look(desk, spec, "--no-step", expect=2)
    assert "fewer than the 12000 (checklist.min_steps)" in said(report, "steps")[0][1]
    refused = desk.command("submit", spec, "--dry-run")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: {report['steps_per_epoch']} steps per epoch x 2 epochs")
    assert "levels" in refused.stdout, "a dry run shows every finding"


def test_strict_stops_at_warnings_such_as_a_wandb_without_a_key(desk: Any) -> None:
    desk.env = {key: value for key, value in desk.env.items() if not key.startswith("WANDB_")}
    desk.env["NETRC"] = str(desk.folder / "none")
    report = look(desk, desk.spec(wandb=True), "--no-step", "--strict", expect=2)
    assert (report["errors"], report["warnings"] > 0) == (0, True)
    [(level, message)] = said(report, "wandb")
    assert (level, "set WANDB_API_KEY" in message) == ("warning", True)
    assert desk.command("submit", desk.spec(), "--strict").returncode == 2
    assert not (desk.folder / "home").exists()


def test_what_has_changed_since_the_run_before(desk: Any) -> None:
    spec = desk.spec()
    run = desk.submit(spec)
    assert desk.wait_for_end(run.attempt(1)) == "succeeded"
    same = desk.command("diff", "@last", spec, "--json")
    assert json.loads(same.stdout)["differences"] == [], "the trainer ran with what it had planned"

    other = desk.spec(name="other", train={"learning_rate": 2e-3})
    rows = json.loads(desk.command("diff", "@last", other, "--json").stdout)["differences"]
    assert rows == [
        {"key": "name", "left": "tiny", "right": "other"},
        {"key": "train.learning_rate", "left": 1e-3, "right": 2e-3},
    ]
    shown = desk.command("diff", run.run_id, other)
    assert "train.learning_rate" in shown.stdout
    before = desk.command("preflight", spec, "--no-step", "--set", "train.batch_size=4")
    assert f"changed since {run.run_id}: train.batch_size 8 -> 4" in before.stdout
