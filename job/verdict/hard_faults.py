"""Hard faults in training rows: what stops a run inside an epoch, before any validation.

Only what no healthy run shows is here. Low code use or a growing VQ loss are normal in a run's first steps
(docs/bad-signs.md), so neither is a fault.
"""

import math
from collections.abc import Iterator

from job.verdict.checklist_spec import FaultLimits
from job.verdict.rows import Row
from job.verdict.signs import Sign, State

# A row that shows one of these not finite stands for a step that was not.
STEP_VALUES = ("loss", "l1", "vq", "grad_norm")


class TrainingFaults:
    """Reads rows in order and reports faults; remembers what "in a row" and "in this epoch" need."""

    def __init__(self, limits: FaultLimits) -> None:
        self.limits = limits
        self.steps_per_epoch: float | None = None
        self.counter: float | None = None
        self.lowest_l1 = math.inf
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
        closed = self._non_finite_rows(row) if row.epoch != self.epoch else ()
        return [*closed, *self._non_finite(row), *self._dead_codebooks(row), *self._saturated(row)]

    def see_validation(self, row: Row) -> list[Sign]:
        """The faults of the epoch that this validation row closes."""
        self._note_l1(row)
        return list(self._non_finite_rows(row))

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
            yield Sign.at(row, "non_finite", State.BAD, said, in_a_row, f">= {limits.nonfinite_run} in a row")
            return
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

    def _share(self, row: Row, broken: float, total: float, of: str) -> Iterator[Sign]:
        # A few are nothing to act on, however short the epoch.
        share = self.limits.nonfinite_share
        if broken >= max(self.limits.nonfinite_run, share * total):
            said = f"{broken:.0f} of an epoch's {of} were not finite"
            yield Sign.at(row, "non_finite", State.BAD, said, broken, f">= {share:.0%} of an epoch")

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
        if self.saturated_rows >= self.limits.saturated_rows:
            said = f"the output saturates (L1 {l1:.2f}; silence would score about 0.11)"
            threshold = f"> {limit:g} and twice the best before, in {self.limits.saturated_rows} rows"
            yield Sign.at(row, "blow_up", State.BAD, said, l1, threshold)

    def _note_l1(self, row: Row) -> None:
        l1 = row.get("l1")
        if l1 is not None and math.isfinite(l1):
            self.lowest_l1 = min(self.lowest_l1, l1)


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0
