"""Hard faults in training rows: what stops a run inside an epoch, before any validation.

Only what no healthy run shows is here. Low code use or a growing VQ loss are normal in a run's first steps
(docs/bad-signs.md), so neither is a fault.
"""

import math
from collections.abc import Iterator

from job.checklist_spec import FaultLimits
from job.metrics_log import Row
from job.verdict import Sign, State


class TrainingFaults:
    """Reads training rows in order and reports faults; remembers what "in a row" and "in this epoch" need."""

    def __init__(self, limits: FaultLimits) -> None:
        self.limits = limits
        self.steps_per_epoch: float | None = None
        self._forget(0.0)

    def new_attempt(self, start: Row) -> None:
        """A process has started: its counters begin anew."""
        self.steps_per_epoch = start.get("steps_per_epoch") or self.steps_per_epoch
        self._forget(start.get("nonfinite_steps") or 0.0)

    def see(self, row: Row) -> list[Sign]:
        """The faults that this training row completes."""
        return [*self._non_finite(row), *self._dead_codebooks(row), *self._saturated(row)]

    def _forget(self, nonfinite_steps: float) -> None:
        self.epoch: int | None = None
        self.nonfinite_seen = self.nonfinite_before_epoch = nonfinite_steps
        self.nonfinite_rows = self.saturated_rows = self.dead_rows = 0
        self.dead_since: int | None = None

    def _non_finite(self, row: Row) -> Iterator[Sign]:
        # One non-finite step is normal under mixed precision; a run of them, or a share of the epoch, is not.
        limits = self.limits
        loss = row.get("loss")
        self.nonfinite_rows = self.nonfinite_rows + 1 if loss is not None and not math.isfinite(loss) else 0
        in_a_row = max(float(self.nonfinite_rows), _finite(row.get("nonfinite_run")))
        if in_a_row >= limits.nonfinite_run:
            said = f"{in_a_row:.0f} steps in a row were not finite: training has blown up; try a lower learning_rate"
            yield Sign.at(row, "non_finite", State.BAD, said, in_a_row, f">= {limits.nonfinite_run} in a row")
            return
        if row.epoch != self.epoch:
            self.epoch, self.nonfinite_before_epoch = row.epoch, self.nonfinite_seen
        self.nonfinite_seen = max(self.nonfinite_seen, _finite(row.get("nonfinite_steps")))
        in_epoch = self.nonfinite_seen - self.nonfinite_before_epoch
        share = limits.nonfinite_share
        if self.steps_per_epoch and in_epoch >= max(limits.nonfinite_run, share * self.steps_per_epoch):
            said = f"{in_epoch:.0f} of the epoch's {self.steps_per_epoch:.0f} steps were not finite"
            yield Sign.at(row, "non_finite", State.BAD, said, in_epoch, f">= {share:.0%} of an epoch")

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
        return float(row.step - self.dead_since) if self.dead_rows >= 3 else 0.0

    def _saturated(self, row: Row) -> Iterator[Sign]:
        l1, limit = row.get("l1"), self.limits.saturated_l1
        self.saturated_rows = self.saturated_rows + 1 if l1 is not None and l1 > limit else 0
        if self.saturated_rows >= self.limits.saturated_rows:
            said = f"the output saturates (L1 {l1:.2f}; silence would score about 0.11); try a lower learning_rate"
            yield Sign.at(row, "blow_up", State.BAD, said, l1, f"> {limit:g} in {self.limits.saturated_rows} rows")


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0
