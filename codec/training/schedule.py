"""The learning rate over a run."""

from codec.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """The rate of optimizer step `step`, counted from 0: a linear warm-up, then constant."""
    return config.learning_rate * min(1.0, (step + 1) / max(config.warmup_steps, 1))
