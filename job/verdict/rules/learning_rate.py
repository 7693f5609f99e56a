"""A rate of learning at which nothing can be learnt: zero, stuck in its warm-up, or decayed to nothing."""

from collections.abc import Iterator, Mapping

from job.verdict.rows import Row
from job.verdict.rules.evidence import TrainingEvidence
from job.verdict.rules.limits import Limit
from job.verdict.signs import Sign, State

# A schedule that ends at zero passes this share of its peak at its very end; a plan's last steps may have any rate.
DECAYED, LAST_STEPS = 1e-6, 0.95
LEAST_STEPS = 100
# Next to a bad table a rate this far below its peak is a cause.
DECAYED_BESIDE = 1e-3
RISING = 2.0
# A rate beyond what the run was told is a schedule that has gone wrong.
ABOVE_SETTING = 1.5


class LearningRate:
    """Reads training rows in order. It acts whatever the figures are: without a rate every step is paid in vain."""

    def __init__(self, limits: Mapping[str, Limit | None], evidence: TrainingEvidence) -> None:
        self._limit = limits.get("no_learning_rate")
        self._evidence = evidence
        self._low: list[tuple[int, float]] = []  # first and last step and rate of rows in a row
        self._rows = 0
        self._planned: float | None = None

    def new_attempt(self, start: Row) -> None:
        """A process has started."""
        self._planned = start.get("planned_steps") or self._planned
        self._rows, self._low = 0, []

    def see(self, row: Row) -> Iterator[Sign]:
        """The sign of a training row, once `evidence` has read it."""
        lr = row.get("lr")
        if self._limit is None or lr is None or row.step is None:
            return
        done = self._planned is not None and row.step >= LAST_STEPS * self._planned
        if done or not self._is_nothing(lr):
            self._rows, self._low = 0, []
            return
        self._rows += 1
        self._low = [(self._low or [(row.step, lr)])[0], (row.step, lr)]
        (since, first), (step, last) = self._low
        rising = last > RISING * first  # a warm-up that begins at next to nothing
        if self._rows >= self._limit.rows and step - since >= LEAST_STEPS and not rising:
            said = f"the learning rate has been {lr:.2g} for {step - since} steps: nothing can be learnt"
            threshold = f"< {self._limit.limit:g} in {self._limit.rows} rows"
            yield Sign.at(row, "no_learning_rate", State.BAD, said, lr, threshold)

    def beside(self, row: Row) -> Iterator[Sign]:
        """What the newest rate says of a validation row: a cause where the table is bad, and never by itself."""
        lr, setting = self._evidence.lr, self._evidence.setting
        if self._limit is None or lr is None or row.step == 0:
            return
        if self._is_nothing(lr) or lr < DECAYED_BESIDE * self._evidence.peak:
            said = f"the learning rate is {lr:.2g}: nothing can be learnt"
            yield Sign.at(row, "no_learning_rate", State.UNDECIDED, said, lr, "next to nothing")
        elif setting and lr > ABOVE_SETTING * setting:
            said = f"the learning rate is {lr:.2g}, {lr / setting:.0f} times the {setting:g} that was set"
            yield Sign.at(row, "rate_above_setting", State.UNDECIDED, said, lr, f"> {ABOVE_SETTING:g} x {setting:g}")

    def _is_nothing(self, lr: float) -> bool:
        assert self._limit is not None
        peak = self._evidence.peak
        return lr < self._limit.limit if peak < self._limit.limit else lr < DECAYED * peak
