import pytest

from codec.config import TrainConfig
from codec.training.schedule import learning_rate


def test_the_rate_rises_linearly_and_stays() -> None:
    config = TrainConfig(data_dir="", learning_rate=1.0, warmup_steps=4)
    assert [learning_rate(config, step) for step in range(6)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_no_warm_up_is_the_full_rate_at_once() -> None:
    assert learning_rate(TrainConfig(data_dir="", learning_rate=0.5, warmup_steps=0), 0) == 0.5
