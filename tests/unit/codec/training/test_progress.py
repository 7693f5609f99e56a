import json
import time
from pathlib import Path

import pytest

from codec.training.progress import Beat, Display

ROW = {
    "step": 7,
    "loss": 0.25,
    "l1": 0.2,
    "vq": 0.05,
    "audio_seconds_per_second": 12.0,
    "nonfinite_steps": 0,
}


def test_a_beat_is_written_at_once_when_the_phase_changes(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    beat = Beat(path)
    for phase in ("preparing", "training", "validating", "saving", "done"):
        beat(5, 2, phase)
        written = json.loads(path.read_text())
        assert written.pop("time") > 1e9
        assert written == {"step": 5, "epoch": 2, "phase": phase}


def test_beats_of_one_phase_are_at_least_a_second_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock = tmp_path / "progress.json", [100.0]
    monkeypatch.setattr("codec.training.progress.time.monotonic", lambda: clock[0])
    beat = Beat(path)
    written = []
    for step in range(30):
        beat(step, 0, "training")
        written.append(json.loads(path.read_text())["step"])
        clock[0] += 0.25
    assert sorted(set(written)) == [0, 4, 8, 12, 16, 20, 24, 28]


def test_a_log_gets_plain_lines_ten_seconds_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("codec.training.progress.time.monotonic", lambda: clock[0])
    with Display() as display:
        for _ in range(11):
            display.advance(7, 100)
            display.train(ROW, 100)
            clock[0] += 2
        display.validation(ROW | {"epoch": 1, "snr_db": 5.5, "amplitude": 0.8, "correlation": 0.9})
    lines = capsys.readouterr().out.splitlines()
    times, said = zip(*(line.split("  ", 1) for line in lines), strict=True)
    assert all(time.strptime(moment, "%H:%M:%S") for moment in times)
    assert [line.split(" ")[0] for line in said] == ["step", "step", "step", "epoch"]
    assert "\x1b" not in "".join(lines)
    assert "snr 5.50 dB" in lines[-1]


def test_non_finite_steps_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        display.train(ROW | {"loss": float("nan"), "nonfinite_steps": 3}, 100)
    assert "non-finite steps 3" in capsys.readouterr().out
