"""Whether a run gets better: the table's one sign that compares a row with those before it."""

import math

from job.verdict import checklist_spec
from job.verdict.rows import Row, is_baseline
from job.verdict.signs import Sign, State


class Improvement:
    """Reads validation rows in order. Remembers the best value, the baseline and the strikes."""

    def __init__(self, rule: checklist_spec.Improvement) -> None:
        self._rule = rule
        self._best: float | None = None
        self._baseline: float | None = None
        self._began_fine = False  # whether the baseline was good by every sign of the table
        self._compared = False  # whether a decisive row had the metric
        self._strikes = 0

    def see(self, row: Row, decisive: bool, fine: bool) -> Sign:
        """The sign of a row; `fine` says that every other sign of the table is good there."""
        value = row.get(self._rule.metric)
        state, said = self._judge(value, decisive, fine)
        if value is not None and not math.isnan(value):
            self._remember(row, value, decisive, fine)
        return Sign.at(row, "improvement", state, said, value, "better at every epoch")

    def _judge(self, value: float | None, decisive: bool, fine: bool) -> tuple[State, str]:
        metric, best = self._rule.metric, self._best
        if value is None:
            return State.UNDECIDED, f"{metric} is missing from the row"
        if best is None:
            return State.UNDECIDED, "there is no earlier row to compare with"
        if self._rule.better(value, best):
            self._strikes = 0
            return State.GOOD, f"{metric} went from {best:.3g} to {value:.3g}"
        # Next to good figures it is no strike: a run may have had its best row by chance, or in the grace.
        self._strikes += decisive and not fine
        bad = decisive and (self._learnt_nothing(value, fine) or self._strikes >= self._rule.patience)
        said = f"{metric} {value:.3g} is no better than {best:.3g} before"
        return (State.BAD if bad else State.UNDECIDED), said

    def _learnt_nothing(self, value: float, fine: bool) -> bool:
        """Whether the first decisive row is no better than where the run began.

        A dip below a better row of the grace is a strike like any other. A run that began with good figures and still
        has them, as a model around a lapped transform does, has little to learn.
        """
        if self._compared or self._baseline is None or (fine and self._began_fine):
            return False
        return not self._rule.better(value, self._baseline)

    def _remember(self, row: Row, value: float, decisive: bool, fine: bool) -> None:
        self._best = value if self._best is None else self._rule.best((self._best, value))
        self._compared = self._compared or decisive
        if self._baseline is None and is_baseline(row):
            self._baseline, self._began_fine = value, fine
