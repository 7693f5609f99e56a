"""Whether a run gets better: the table's one sign that compares a row with those before it."""

import math

from job.verdict import checklist_spec
from job.verdict.checklist_spec import DECIBELS, Checklist
from job.verdict.clock import Clock
from job.verdict.rate import Rate
from job.verdict.rows import Row, is_baseline
from job.verdict.signs import Sign, State

# "Better" is more than noise: decibels, or a share of what was best.
NOISE_DB, NOISE_SHARE = 0.05, 0.005
# With fewer crops a row may be worse by chance.
CROPS_TO_JUDGE = 8.0
# A run that began above this had learnt before: a dip below its beginning does not say that it has learnt nothing.
LEARNT_DB = 2.0
# A plateau below this share of what the rate usually gives is a run that is stuck; above it, one that is done.
STUCK_SHARE = 0.5
# The same for a distance, as a share of the way from its good to its bad limit: published codecs lie that far apart.
STUCK_BAND = 2 / 3


class Improvement:
    """Reads validation rows in order. Remembers the best value, the baseline and the strikes.

    One strike stands for so much training (`Clock.spacing`), not for a row.
    """

    def __init__(self, rule: checklist_spec.Improvement, checklist: Checklist, clock: Clock) -> None:
        self._rule = rule
        self._strict = checklist.strict
        self._clock = clock
        self._stuck = self._stuck_limit(checklist, None)
        self._best: float | None = None
        self._baseline: float | None = None
        self._began_fine = False  # whether the baseline was good by every sign of the table
        self._compared = False  # whether a decisive row had the metric
        self._strikes = 0
        self._counted_at = 0  # where the last strike was counted, or the best row stands

    def new_attempt(self, checklist: Checklist, rate: Rate | None) -> None:
        """A process has started, with a model of that rate."""
        self._stuck = self._stuck_limit(checklist, rate)

    def see(self, row: Row, decisive: bool, fine: bool) -> Sign:
        """The sign of a row; `fine` says that every other sign of the table is good there."""
        value = row.get(self._rule.metric)
        state, said = self._judge(row, value, decisive, fine)
        if value is not None and not math.isnan(value):
            self._remember(row, value, decisive, fine)
        return Sign.at(row, "improvement", state, said, value, "better at every epoch")

    def _judge(self, row: Row, value: float | None, decisive: bool, fine: bool) -> tuple[State, str]:
        metric, best = self._rule.metric, self._best
        if value is None:
            return State.UNDECIDED, f"{metric} is missing from the row"
        if best is None:
            return State.UNDECIDED, "there is no earlier row to compare with"
        if self._better(value, best):
            self._strikes, self._counted_at = 0, self._clock.position(row)
            return State.GOOD, f"{metric} went from {best:.3g} to {value:.3g}"
        said = f"{metric} {value:.3g} is no better than {best:.3g} before"
        # Next to good figures it is no strike: a run may have had its best row by chance, or in the grace.
        if decisive and not fine and not self._too_few(row):
            self._count(row)
        if self._strikes >= self._rule.patience:
            said += f", for {self._rule.patience} strikes"
        bad = decisive and (self._learnt_nothing(value, fine) or self._is_stuck(value))
        return (State.BAD if bad else State.UNDECIDED), said

    def _is_stuck(self, value: float) -> bool:
        """Whether the strikes are those of a run that is stuck.

        A plateau that the rate explains is none: the run may have converged, or wait for its learning rate to decay.
        """
        return self._strikes >= self._rule.patience and not self._done(value)

    def _count(self, row: Row) -> None:
        position = self._clock.position(row)
        if self._strict or row.step is None or position - self._counted_at >= self._clock.spacing:
            self._strikes += 1
            self._counted_at = position

    def _better(self, value: float, than: float) -> bool:
        """Whether a value is better by more than its noise."""
        if not self._rule.better(value, than) or self._strict:
            return self._rule.better(value, than)
        noise = NOISE_DB if self._rule.metric in DECIBELS else NOISE_SHARE * abs(than)
        return abs(value - than) > noise

    def _too_few(self, row: Row) -> bool:
        crops = row.get("crops")
        return crops is not None and crops < CROPS_TO_JUDGE

    def _done(self, value: float) -> bool:
        """Whether a plateau at a value is that of a run that has done what its rate allows."""
        return self._stuck is not None and not self._strict and self._rule.better(value, self._stuck)

    def _stuck_limit(self, checklist: Checklist, rate: Rate | None) -> float | None:
        """The value below which a plateau is a run that is stuck: half of what the rate, or the table, calls good."""
        band = checklist.signs.get(self._rule.metric)
        if band is None:
            return None
        if band.good_below is not None:
            return band.good_below + STUCK_BAND * ((band.bad_above or band.good_below) - band.good_below)
        if band.good_above is None:
            return None
        return STUCK_SHARE * band.good_above if rate is None else min(STUCK_SHARE * rate.usual_db, band.good_above)

    def _learnt_nothing(self, value: float, fine: bool) -> bool:
        """Whether the first decisive row is no better than where the run began.

        A dip below a better row of the grace is a strike like any other. A run that began with good figures and still
        has them, as a model around a lapped transform does, has little to learn.
        """
        if self._compared or self._baseline is None or (fine and self._began_fine):
            return False
        if not self._strict and self._rule.metric in DECIBELS and self._baseline >= LEARNT_DB:
            return False
        return not self._rule.better(value, self._baseline)

    def _remember(self, row: Row, value: float, decisive: bool, fine: bool) -> None:
        if self._best is None or self._better(value, self._best):
            self._best = value
        self._compared = self._compared or decisive
        if self._baseline is None and is_baseline(row):
            self._baseline, self._began_fine = value, fine
