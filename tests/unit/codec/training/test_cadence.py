from typing import Any

import pytest

from codec.config import ModelConfig, TrainConfig
from codec.training import cadence
from codec.training.cadence import EARLY, SHARE, Cadence


def config(**changes: Any) -> TrainConfig:
    return TrainConfig(data_dir="clips", model=ModelConfig(), **changes)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, 1000),
        ({"batch_size": 64}, 250),
        ({"batch_size": 4}, 4000),
        ({"segment_length": 8000}, 2000),
        ({"batch_size": 100_000}, 1),
        ({"validate_every": 0}, 0),
    ],
)
def test_validations_come_after_as_much_audio_whatever_the_batch(changes: dict[str, Any], steps: int) -> None:
    due = Cadence(config(**changes))
    assert due.steps == steps
    assert [step for step in range(1, 2001) if due.reached(step)] == [*range(steps or 2001, 2001, steps or 1)]


def test_the_early_ones_always_come_and_later_ones_cost_a_small_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(cadence.time, "monotonic", lambda: now[0])
    due = Cadence(config())
    due.validated(3.0)
    early, later = EARLY * due.steps, (EARLY + 1) * due.steps
    assert due.affordable(early)
    assert not due.affordable(later)
    now[0] += 3.0 / SHARE
    assert due.affordable(later)
    due.validated(3.0)
    assert not due.affordable(later)
