import shutil
from pathlib import Path
from typing import Any

import pytest

from job import dataset
from job.checks.finding import Level
from job.checks.preflight import trial
from job.checks.preflight.trial import read_trial

TELUGU = Path(__file__).parents[5] / "examples" / "telugu" / "clips"
RATE, SEGMENT = 16000, 4000

GOOD: list[dict[str, Any]] = [
    {"kind": "start"},
    {"kind": "validation", "loss": 0.2},
    {"kind": "train", "nonfinite_steps": 0},
    {"kind": "validation", "loss": 0.19},
]


def test_two_good_steps_are_noted() -> None:
    (finding,) = read_trial(GOOD, 4.2)
    assert finding.level is Level.NOTE
    assert "loss 0.190, 4 s" in finding.message


@pytest.mark.parametrize(
    "rows",
    [
        GOOD[:2],
        [*GOOD[:2], {"kind": "train", "nonfinite_steps": 1}, GOOD[3]],
        [*GOOD[:3], {"kind": "validation", "loss": "NaN"}],
    ],
)
def test_a_trial_that_went_wrong(rows: list[dict[str, Any]]) -> None:
    assert [finding.level for finding in read_trial(rows, 4.2)] == [Level.ERROR]


def test_a_submit_does_not_decode_for_its_trial_what_it_has_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clips = tmp_path / "clips"
    clips.mkdir()
    for path in sorted(TELUGU.glob("*.flac"))[:2]:
        shutil.copy(path, clips)
    data = dataset.look_at(clips, RATE, to_push=True)
    monkeypatch.setattr(trial, "decode", None)  # whoever calls it now fails
    assert trial._write_crops(data, RATE, SEGMENT, tmp_path / "kept")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(TypeError):
        trial._write_crops(data, RATE, SEGMENT, tmp_path / "again")
