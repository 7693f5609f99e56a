"""Causes that training rows show, inside the epoch.

Each acts from the first row on, so each limit lies beyond what a healthy run's first steps, one non-finite step or
another trainer's scale can reach (docs/bad-signs.md).
"""

import math
import statistics
from collections.abc import Iterator, Mapping
from decimal import Decimal

from job.verdict.rows import Row
from job.verdict.rules.adversarial import is_adversarial
from job.verdict.rules.limits import Limit
from job.verdict.signs import Sign, State

# Beside being many times the lowest so far: what no loss or gradient norm of another scale begins with.
HIGH_LOSS, HIGH_GRADIENT = 100.0, 1e5
# A loss that is written more coarsely, as a share of itself, may repeat because it is rounded.
FINE = 1e-3
ENOUGH_DECIMALS = 12
STARVED_SECONDS = 60.0
STARVED_SPEED = 5.0  # audio seconds a second; a GPU that is fed does hundreds


class TrainingSigns:
    """Reads training rows in order; remembers what "in a row" and "so far" need."""

    def __init__(self, limits: Mapping[str, Limit | None]) -> None:
        self._limits = limits
        self._lowest = {"loss": math.inf, "grad_norm": math.inf}
        self._decimals = 0  # the most that any loss so far was written with
        self._on_gpu = False
        self._validated: tuple[float | None, float | None] | None = None  # loss and SNR
        self._before: Row | None = None
        self._equal: list[Row] = []  # rows in a row with one and the same loss
        self._new_process()

    def new_attempt(self, start: Row) -> None:
        """A process has started: rows in a row begin anew, the lowest values so far stay."""
        self._on_gpu = (start.device or "").startswith("cuda")
        self._new_process()

    def see(self, row: Row) -> list[Sign]:
        """The signs of this training row."""
        signs = [
            *self._exploding(row, "exploding_loss", "loss", HIGH_LOSS),
            *self._exploding(row, "exploding_gradient", "grad_norm", HIGH_GRADIENT),
            *self._frozen(row),
            *self._vanished(row),
            *self._starved(row),
        ]
        self._note("loss", row)
        self._note("grad_norm", row)
        self._before = row
        return signs

    def see_validation(self, row: Row) -> None:
        """The baseline's loss counts among the lowest; time spent on validation is no training.

        The crops are fixed, so that a validation which has changed proves that training has not stood still.
        """
        self._note("loss", row)
        self._before = None
        figures = (row.get("loss"), row.get("snr_db"))
        if figures != self._validated:
            self._equal = []
        self._validated = figures

    def _new_process(self) -> None:
        self._high_rows = {"loss": 0, "grad_norm": 0}
        self._equal = []
        self._flat: list[Row] = []  # rows in a row without a gradient
        self._slow: list[tuple[float, float]] = []  # steps and seconds of slow rows in a row
        self._before = None

    def _exploding(self, row: Row, cause: str, name: str, high: float) -> Iterator[Sign]:
        value, limit = row.get(name), self._limits.get(cause)
        if limit is None or value is None:
            return
        lowest = self._lowest[name]
        risen = high < value < math.inf and value > limit.limit * lowest
        if risen and name == "loss" and is_adversarial(row):
            return  # a generator's total loss swings by orders of magnitude in a healthy run
        self._high_rows[name] = self._high_rows[name] + 1 if risen else 0
        if self._high_rows[name] >= limit.rows:
            what = "the training loss" if name == "loss" else "the gradient's norm"
            said = f"{what} has exploded: {value:.3g}, {value / lowest:.0e} times the lowest before"
            threshold = f"> {high:g} and {limit.limit:g} times the lowest, in {limit.rows} rows"
            yield Sign.at(row, cause, State.BAD, said, value, threshold)

    def _note(self, name: str, row: Row) -> None:
        value = row.get(name)
        if value is None or not math.isfinite(value):
            return
        if value > 0:
            self._lowest[name] = min(self._lowest[name], value)
        if name == "loss" and self._decimals < ENOUGH_DECIMALS:
            self._decimals = max(self._decimals, _decimals(value))

    def _frozen(self, row: Row) -> Iterator[Sign]:
        loss, limit = row.get("loss"), self._limits.get("frozen_loss")
        # A rate of zero on one batch repeats itself rightly, and a loss of zero is a perfect copy.
        if limit is None or not loss or not math.isfinite(loss) or row.get("lr") == 0 or row.step is None:
            self._equal = []
            return
        first = self._equal[0].values["loss"] if self._equal else loss
        if abs(loss - first) > limit.limit:
            self._equal = []
        self._equal.append(row)
        # A whole number is no rounded loss but a stand-in.
        exact = 10.0**-self._decimals <= FINE * abs(loss) or loss.is_integer()
        if len(self._equal) >= limit.rows and exact:
            steps = row.step - (self._equal[0].step or 0)
            said = f"the training loss was {loss:.9g} to the last digit in {len(self._equal)} rows over {steps} steps"
            yield Sign.at(row, "frozen_loss", State.BAD, said, loss, f"the same in {limit.rows} rows")

    def _vanished(self, row: Row) -> Iterator[Sign]:
        norm, limit = row.get("grad_norm"), self._limits.get("vanished_gradient")
        if limit is None or norm is None or not row.get("loss") or row.get("lr") == 0:
            self._flat = []
            return
        if not norm <= limit.limit:  # NaN is not flat
            self._flat = []
            return
        self._flat.append(row)
        if len(self._flat) < limit.rows:
            return
        said = f"the gradient's norm was {norm:g} in {len(self._flat)} rows: nothing is learnt any more"
        sign = Sign.at(row, "vanished_gradient", State.BAD, said, norm, f"<= {limit.limit:g} in {limit.rows} rows")
        # Some trainers write 0 for a norm that they don't measure; one with a counter of bad steps measures it.
        measured = math.isfinite(self._lowest["grad_norm"]) or "nonfinite_steps" in row.values
        yield sign if measured else sign.as_warning()

    def _starved(self, row: Row) -> Iterator[Sign]:
        limit, pace = self._limits.get("starved_gpu"), _pace(self._before, row)
        if limit is None or pace is None:
            return
        steps, seconds = pace
        self._slow = [*self._slow, (steps, seconds)] if seconds > limit.limit * steps else []
        if len(self._slow) < limit.rows:
            return
        a_step = statistics.median(seconds / steps for steps, seconds in self._slow)
        said = f"a training step takes {a_step:.0f} s: the device waits for data"
        sign = Sign.at(row, "starved_gpu", State.BAD, said, a_step, f"> {limit.limit:g} s a step in {limit.rows} rows")
        speed = row.get("audio_seconds_per_second")
        # A CPU may be that slow, and so may a step over very much audio: only a GPU without work stops the run.
        idle = self._on_gpu and speed is not None and speed < STARVED_SPEED
        extreme = idle and sum(seconds for _, seconds in self._slow) >= STARVED_SECONDS
        yield sign if extreme else sign.as_warning()


def _decimals(value: float) -> int:
    """Digits after the point of a number as it was written."""
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _pace(before: Row | None, row: Row) -> tuple[float, float] | None:
    """Steps and seconds since the row before, where both say so."""
    if before is None or before.step is None or row.step is None:
        return None
    since, now = before.get("time"), row.get("time")
    if since is None or now is None or row.step <= before.step or not now > since:
        return None
    return float(row.step - before.step), now - since
