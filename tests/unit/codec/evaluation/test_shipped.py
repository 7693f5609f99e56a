"""`codec evaluate shipped`: through streams on disk, with one line for each goal."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from codec.cli import cli
from codec.evaluation import shipped
from codec.front import fronts


def test_rows_are_measured_on_real_streams(
    write_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goals = {"EAR_KBPS": (8.0, 24.0), "WAVEFORM_KBPS": (24.0,), "VECTOR_KBPS": (), "SNR_DB": (20.0,)}
    for name, numbers in goals.items():
        monkeypatch.setattr(shipped, name, numbers)
    folder = write_clip("a.wav", 3.0).parent
    write_clip("b.wav", 2.0, seed=1)
    words = ["evaluate", "shipped", str(folder), "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert result.exit_code == 0, result.exception
    facts = json.loads(result.output[result.output.index("{") :])
    rows = facts["rows"]
    assert [row["codec"] for row in rows] == ["shipped, ear", "shipped, ear", "shipped, waveform", "shipped, 20 dB"]
    assert len(facts["model"]) == 8
    assert [row["effective_kbps"] for row in rows[:2]] == pytest.approx([8, 24], rel=0.3)
    assert rows[0]["snr_db"] < rows[1]["snr_db"] <= rows[2]["snr_db"] + 0.5
    assert rows[3]["snr_db"] == pytest.approx(20, abs=1.5)
    assert [row["delay_ms"] for row in rows] == [40, 24, 40, 40]
    assert all(row["lag"] == 0 and row["snr_db_error"] >= 0 for row in rows)
    assert fronts.SHORT_FROM_KBPS == 12  # what the delays above follow from
