from pathlib import Path
from typing import Any

import pytest

from job.checks.finding import Level
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
