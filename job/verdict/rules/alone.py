"""Signs of the table that do not condemn alone: one symptom in one row next to evidence against it.

Where this departs from the letter of the table, and the measurements behind it: docs/bad-signs.md.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from job.verdict.checklist_spec import Checklist
from job.verdict.rate import Rate, honest_amplitude
from job.verdict.rows import Row
from job.verdict.rules.recipes import RECIPES
from job.verdict.signs import Sign, State

# From this SNR on, or from this share of what the rate usually gives, a low amplitude alone needs two rows.
CLEAR_DB, CLEAR_SHARE = 2.0, 0.25
ROWS = 2
# Where nobody knows the rate, a level of this share of the honest one is what a lower rate gives, unless the run has
# been better by this.
HONEST, LEAST_DB, FALLEN_DB = 0.9, 0.5, 1.0
BETTER_DB = 0.05


class LoneSigns:
    """Reads the bands of validation rows in order. Only limits of the default are spared: a user's own number holds."""

    def __init__(self, checklist: Checklist) -> None:
        default = RECIPES[checklist.recipe]["signs"]
        self._usual = {
            name
            for name, limit in (("loss", "bad_above"), ("amplitude", "bad_below"))
            if (band := checklist.signs.get(name)) and getattr(band, limit) == default.get(name, {}).get(limit)
        }
        self._low_rows = 0  # decisive rows in a row with a low amplitude and an SNR that did not rise
        self._best = -math.inf

    def weigh(self, row: Row, bands: Sequence[Sign], decisive: bool, rate: Rate | None, proven: bool) -> list[Sign]:
        """The bands of a row, without those that do not condemn it alone.

        Args:
            rate: the model's; None where nobody knows.
            proven: whether a cause of the same row explains a high loss.
        """
        bad = {sign.sign for sign in bands if sign.state is State.BAD}
        spared = set() if proven else bad & self._usual & {"loss"}
        if bad - spared == {"amplitude"} <= self._usual and self._may_wait(row, decisive, rate):
            spared |= {"amplitude"}
        if "amplitude" not in bad:
            self._low_rows = 0
        self._best = max(self._best, _number(row.get("snr_db")))
        if bad - spared:
            return list(bands)
        return [replace(sign, state=State.UNDECIDED) if sign.sign in spared else sign for sign in bands]

    def _may_wait(self, row: Row, decisive: bool, rate: Rate | None) -> bool:
        snr, amplitude = _number(row.get("snr_db")), row.get("amplitude") or 0.0
        if amplitude > 1:
            return False
        fallen = snr < self._best - FALLEN_DB
        if rate is None and not fallen and snr >= LEAST_DB and amplitude >= HONEST * honest_amplitude(snr):
            return True
        clear = CLEAR_DB if rate is None else min(CLEAR_DB, CLEAR_SHARE * rate.usual_db)
        if snr < clear:
            return False
        self._low_rows = self._low_rows + decisive if snr <= self._best + BETTER_DB or not self._low_rows else 1
        return self._low_rows < ROWS


def _number(value: float | None) -> float:
    return value if value is not None and not math.isnan(value) else -math.inf
