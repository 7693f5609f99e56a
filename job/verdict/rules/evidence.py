"""What the newest training rows say about a validation row: rate of learning, codebooks, loss."""

import math
import statistics
from collections import deque
from collections.abc import Iterator

from job.verdict.rows import Row

REMEMBERED = 5  # rows


class TrainingEvidence:
    """The last few training rows in numbers, and what the plan said of the rate of learning."""

    def __init__(self) -> None:
        self.setting: float | None = None
        """The rate of learning that the run was given."""
        self.peak = 0.0
        """The highest rate of learning so far."""
        self._lr: deque[float] = deque(maxlen=REMEMBERED)
        self._missed: deque[float] = deque(maxlen=REMEMBERED)
        self._l1: deque[float] = deque(maxlen=REMEMBERED)

    def new_attempt(self, start: Row) -> None:
        """A process has started."""
        self.setting = start.get("learning_rate") or self.setting
        self._lr.clear()

    def see(self, row: Row) -> None:
        """Reads a training row."""
        for name, values in (("lr", self._lr), ("l1", self._l1)):
            values.extend(_finite(row.get(name)))
        vq, power = row.get("vq"), row.get("latent_power")
        if vq is not None and power is not None and power > 0:
            self._missed.extend(_finite(vq / power))
        self.peak = max(self.peak, *_finite(row.get("lr")), 0.0)

    @property
    def lr(self) -> float | None:
        """The newest rate of learning."""
        return self._lr[-1] if self._lr else None

    @property
    def missed(self) -> float | None:
        """By how much codes miss the latents, as a share of these: the least of the last rows."""
        return min(self._missed) if len(self._missed) >= 3 else None

    @property
    def l1(self) -> float | None:
        """The usual L1 of the last rows."""
        return statistics.median(self._l1) if len(self._l1) >= 3 else None


def _finite(value: float | None) -> Iterator[float]:
    if value is not None and math.isfinite(value):
        yield value
