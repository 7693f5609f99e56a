"""The plateau of the training loss: what shows before any validation that nothing is learnt."""

import math
import statistics
from collections import deque
from collections.abc import Iterator, Mapping

from job.verdict.clock import Clock
from job.verdict.rows import Row, is_baseline
from job.verdict.rules.limits import Limit
from job.verdict.signs import Sign, State

ROWS = 5
# A healthy run may be silent for a while, and never louder than that: so it is bad from half of min_steps on.
LOUDER_FROM, LOUDER = 0.5, 1.25
# Without any validation since: no healthy run was silent for so long.
SILENT_FROM = 1.5
# The baseline's own L1 must be about that of silence, or it is no measure.
LIKE_SILENCE = 0.1


class TrainingPlateau:
    """Compares the training L1 with that of the untrained model on held-out audio, until the table decides."""

    def __init__(self, limits: Mapping[str, Limit | None], clock: Clock) -> None:
        self._limit = limits.get("training_plateau")
        self._clock = clock
        self._silence: float | None = None
        self._first: list[float] = []  # training crops may be louder than held-out ones: L1 of the first rows
        self._validated = False  # a trained row has been validated: the table has the better evidence
        self._l1: deque[float] = deque(maxlen=ROWS)

    def see_validation(self, row: Row) -> None:
        """Reads a validation row."""
        if not is_baseline(row):
            self._validated = True
            return
        l1, ratio = row.get("l1"), row.get("l1_ratio")
        if l1 and ratio is not None and abs(ratio - 1) <= LIKE_SILENCE and math.isfinite(l1):
            self._silence = l1

    def see(self, row: Row) -> Iterator[Sign]:
        """The sign of a training row."""
        l1 = row.get("l1")
        if l1 is None or not math.isfinite(l1):
            return
        self._l1.append(l1)
        if len(self._first) < ROWS:
            self._first.append(l1)
        if self._limit is None or not self._silence or row.step is None or self._validated or len(self._l1) < ROWS:
            return
        of_silence, trained = statistics.median(self._l1) / self._of_silence(), row.step / max(self._clock.min_steps, 1)
        limit = self._limit.limit if trained >= SILENT_FROM else LOUDER if trained >= LOUDER_FROM else math.inf
        if of_silence >= limit:
            said = f"the training loss is that of silence: L1 {of_silence:.2f} of it after {row.step} steps"
            yield Sign.at(row, "training_plateau", State.BAD, said, of_silence, f">= {limit:g} in {ROWS} rows")

    def _of_silence(self) -> float:
        return max(self._silence or 0.0, statistics.median(self._first))
