"""When a run validates inside an epoch: every so much audio, as long as that costs little of the training."""

import math
import time

from codec.config import TrainConfig

EARLY = 3
"""Validations that are never left out for their cost: the first verdict waits for them."""
SHARE = 0.03
"""Most time of later ones, as a share of the training between them."""


class Cadence:
    """Says after a step whether to validate. Each rank has one; what depends on time is rank 0's to say."""

    def __init__(self, config: TrainConfig) -> None:
        step_seconds = config.batch_size * config.segment_length / config.model.sample_rate
        self.steps = math.ceil(config.validate_every / step_seconds)
        """Steps between two validations; 0: only at the ends of epochs."""
        self._cost = 0.0
        self._since = time.monotonic()

    def reached(self, step: int) -> bool:
        """Whether a validation is due after a step, if it is affordable."""
        return self.steps > 0 and step % self.steps == 0

    def affordable(self, step: int) -> bool:
        """Whether a validation that costs what the last one did is early, or a small share of the time since then."""
        early = step <= EARLY * self.steps
        return early or self._cost <= SHARE * (time.monotonic() - self._since)

    def validated(self, seconds: float) -> None:
        """Note how long the validation took that has just ended."""
        self._cost, self._since = seconds, time.monotonic()
