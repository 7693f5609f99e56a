"""Hard faults in training rows: what stops a run inside an epoch, before any validation.

Only what no healthy run shows is here. Low code use or a growing VQ loss are normal in a run's first steps
(docs/bad-signs.md), so neither is a fault.
"""

import math
import statistics
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from job.verdict.checklist_spec import FaultLimits
from job.verdict.hints import GRADIENT_GREW, GRADIENT_WAS_USUAL, HINTS, WRONG_WAY
from job.verdict.rows import Row
from job.verdict.rules.limits import Limit
from job.verdict.signs import Sign, State

# A row that shows one of these not finite stands for a step that was not.
STEP_VALUES = ("loss", "l1", "vq", "grad_norm")
# Why a run is not finite: its gradient grew this many times over before, or it did not.
GROWN, ROWS_OF_GRADIENT = 10.0, 5
# A run that saturates at a rate no higher than this, without ever having learnt, does not suffer from its rate.
USUAL_RATE, LEARNT = 5e-3, 0.8


class TrainingFaults:
    """Reads rows in order and reports faults; remembers what "in a row" and "in this epoch" need."""

    def __init__(self, limits: FaultLimits, lossy: Limit | None) -> None:
        self.limits = limits
        self.lossy = lossy
        self.lossy_epochs = 0  # in a row
        self.steps_per_epoch: float | None = None
        self.counter: float | None = None
        self.lowest_l1 = math.inf
        self.first_l1: float | None = None
        self.gradients: deque[float] = deque(maxlen=20)  # norms of the newest finite steps
        self._new_process()
        self._new_epoch(None)

    def new_attempt(self, start: Row) -> None:
        """A process has started. A resumed one goes on counting non-finite steps where its checkpoint stood."""
        self.steps_per_epoch = start.get("steps_per_epoch") or self.steps_per_epoch
        if start.step == 0:
            self.counter = 0.0
        self._new_process()

    def see(self, row: Row) -> list[Sign]:
        """The faults that this training row completes."""
        closed = self._closed_epoch(row) if row.epoch != self.epoch else []
        return [*closed, *self._non_finite(row), *self._dead_codebooks(row), *self._saturated(row)]

    def see_validation(self, row: Row) -> list[Sign]:
        """The faults of the epoch that this validation row closes."""
        self._note_l1(row)
        closed = row.epoch is not None and self.epoch is not None and row.epoch > self.epoch
        return self._closed_epoch(row) if closed else list(self._non_finite_rows(row))

    def _new_process(self) -> None:
        self.nonfinite_run = self.saturated_rows = self.dead_rows = 0
        self.dead_since: int | None = None

    def _new_epoch(self, epoch: int | None) -> None:
        self.epoch = epoch
        self.nonfinite_in_epoch = 0.0
        self.rows_in_epoch = self.nonfinite_rows_in_epoch = 0

    def _non_finite(self, row: Row) -> Iterator[Sign]:
        # One non-finite step is normal under mixed precision; a run of them, or a share of the epoch, is not.
        limits = self.limits
        broken = any(not math.isfinite(row.values.get(name, 0.0)) for name in STEP_VALUES)
        self.nonfinite_run = self.nonfinite_run + 1 if broken else 0
        in_a_row = max(float(self.nonfinite_run), _finite(row.get("nonfinite_run")))
        if in_a_row >= limits.nonfinite_run:
            said = f"{in_a_row:.0f} steps in a row were not finite: training has blown up"
            sign = Sign.at(row, "non_finite", State.BAD, said, in_a_row, f">= {limits.nonfinite_run} in a row")
            yield replace(sign, hint=self._why_not_finite())
            return
        self._note_gradient(row)
        if row.epoch != self.epoch:
            self._new_epoch(row.epoch)
        self.rows_in_epoch += 1
        self.nonfinite_rows_in_epoch += broken
        self.nonfinite_in_epoch += self._newly_counted(row)
        if self.steps_per_epoch:
            steps = f"{self.steps_per_epoch:.0f} steps"
            yield from self._share(row, self.nonfinite_in_epoch, self.steps_per_epoch, steps)

    def _newly_counted(self, row: Row) -> float:
        """Non-finite steps since the row before, by the trainer's own counter of them all."""
        counter, before = row.get("nonfinite_steps"), self.counter
        if counter is None or not math.isfinite(counter):
            return 0.0
        self.counter = counter
        if before is None:
            return 0.0  # nobody knows when they happened
        return counter - before if counter >= before else counter

    def _non_finite_rows(self, row: Row) -> Iterator[Sign]:
        """Judges a whole epoch by its rows, for trainers that have no counter."""
        seen = self.rows_in_epoch
        return self._share(row, self.nonfinite_rows_in_epoch, seen, f"{seen} training rows")

    def _closed_epoch(self, row: Row) -> list[Sign]:
        signs = [*self._non_finite_rows(row), *self._lossy(row)]
        self._new_epoch(row.epoch)
        return signs

    def _lossy(self, row: Row) -> Iterator[Sign]:
        """Steps lost in every epoch: fewer than stop a run in one of them, and for ever."""
        counted = self.steps_per_epoch is not None and self.nonfinite_in_epoch > 0
        total = (self.steps_per_epoch or 0.0) if counted else self.rows_in_epoch
        broken = self.nonfinite_in_epoch if counted else self.nonfinite_rows_in_epoch
        if self.lossy is None or not total:
            return
        lossy = broken >= max(self.limits.nonfinite_run, self.lossy.limit * total)
        self.lossy_epochs = self.lossy_epochs + 1 if lossy else 0
        if self.lossy_epochs >= self.lossy.rows:
            said = f"{broken / total:.0%} of the steps are lost in every epoch, as not finite"
            threshold = f">= {self.lossy.limit:.0%} in {self.lossy.rows} epochs"
            yield Sign.at(row, "lossy_training", State.BAD, said, broken / total, threshold)

    def _share(self, row: Row, broken: float, total: float, of: str) -> Iterator[Sign]:
        # A few are nothing to act on, however short the epoch.
        share = self.limits.nonfinite_share
        if broken >= max(self.limits.nonfinite_run, share * total):
            said = f"{broken:.0f} of an epoch's {of} were not finite"
            sign = Sign.at(row, "non_finite", State.BAD, said, broken, f">= {share:.0%} of an epoch")
            # What comes and goes is in some batches, not in the weights.
            yield replace(sign, hint=HINTS["lossy_training"])

    def _dead_codebooks(self, row: Row) -> Iterator[Sign]:
        limit = self.limits.dead_codebook_steps
        dead = self._dead_steps(row)
        if dead >= limit:
            said = f"dead codebooks: for {dead:.0f} steps they missed the latents by at least the latents' own power"
            yield Sign.at(row, "dead_codebooks", State.BAD, said, dead, f">= {limit} steps in a row")

    def _dead_steps(self, row: Row) -> float:
        """Steps in a row with a commitment error of at least the quantizer input's power."""
        if "dead_codebook_steps" in row.values:
            return _finite(row.get("dead_codebook_steps"))
        # Another trainer's rows carry no counter: every row of the stretch must say so, three of them at least.
        vq, power = row.get("vq"), row.get("latent_power")
        if vq is None or power is None or row.step is None or not vq >= power:
            self.dead_since, self.dead_rows = None, 0
            return 0.0
        self.dead_since = row.step if self.dead_since is None else self.dead_since
        self.dead_rows += 1
        return float(row.step - self.dead_since + 1) if self.dead_rows >= 3 else 0.0

    def _saturated(self, row: Row) -> Iterator[Sign]:
        # The height alone is no fault: audio of another scale may begin above it, and comes down as it learns.
        l1, limit = row.get("l1"), self.limits.saturated_l1
        risen = l1 is not None and l1 > limit and l1 > 2 * self.lowest_l1
        self.saturated_rows = self.saturated_rows + 1 if risen else 0
        self._note_l1(row)
        if l1 is not None and self.saturated_rows >= self.limits.saturated_rows:
            said = f"the output saturates (L1 {l1:.2f}; silence would score about 0.11)"
            threshold = f"> {limit:g} and twice the best before, in {self.limits.saturated_rows} rows"
            sign = Sign.at(row, "blow_up", State.BAD, said, l1, threshold)
            if l1.is_integer() and l1 == row.get("loss"):
                sign = replace(sign, hint=HINTS["frozen_loss"])  # no output saturates to the last digit
            usual = (row.get("lr") or math.inf) <= USUAL_RATE
            never = self.first_l1 is not None and self.lowest_l1 >= LEARNT * self.first_l1
            yield replace(sign, hint=WRONG_WAY) if usual and never else sign

    def _note_l1(self, row: Row) -> None:
        l1 = row.get("l1")
        if l1 is not None and math.isfinite(l1):
            self.lowest_l1 = min(self.lowest_l1, l1)
            self.first_l1 = l1 if self.first_l1 is None else self.first_l1

    def _note_gradient(self, row: Row) -> None:
        norm = row.get("grad_norm")
        if norm is not None and math.isfinite(norm) and norm > 0:
            self.gradients.append(norm)

    def _why_not_finite(self) -> str:
        if len(self.gradients) < ROWS_OF_GRADIENT:
            return HINTS["non_finite"]
        grown = self.gradients[-1] > GROWN * statistics.median(self.gradients)
        return GRADIENT_GREW if grown else GRADIENT_WAS_USUAL


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0
