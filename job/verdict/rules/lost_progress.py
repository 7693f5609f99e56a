"""Ways down from the best row, sudden or slow: GOOD is not for ever."""

from collections.abc import Mapping

from job.verdict.checklist_spec import DECIBELS, LOWER_IS_BETTER
from job.verdict.clock import Clock
from job.verdict.rows import Row
from job.verdict.rules.limits import Limit
from job.verdict.signs import Sign, State

# As bad as the limit's decibels for a distance or a loss: times the best.
TIMES_WORSE = 1.5
# Worth a warning: a third of the limit in so many rows.
WARN_SHARE, WARN_ROWS = 1 / 3, 5
# A row that has made up so much of the limit since the row before is on its way back.
COMING_BACK = 1 / 6
CROPS_TO_JUDGE = 8.0


class LostProgress:
    """Reads validation rows in order; remembers the best, also of the baseline and of the grace."""

    def __init__(self, metric: str, limits: Mapping[str, Limit | None], clock: Clock) -> None:
        self._metric = metric
        self._limit = limits.get("lost_progress")
        self._clock = clock
        self._best: float | None = None
        self._crops: float | None = None
        self._since: int | None = None  # where the rows in a row that have lost so much begin
        self._lost_rows = self._warned_rows = 0
        self._before: float | None = None

    def see(self, row: Row, decisive: bool) -> list[Sign]:
        """The sign of a row."""
        value, crops = row.get(self._metric), row.get("crops")
        if self._limit is None or value is None or (crops is not None and crops < CROPS_TO_JUDGE):
            return []
        if crops != self._crops:
            # Another validation set has another best.
            self._best, self._crops = None, crops
        if self._best is None or self._share(value) <= 0:
            self._best = value
        share, before = self._share(value), self._before
        self._before = share
        self._warned_rows = self._warned_rows + 1 if share >= WARN_SHARE and decisive else 0
        if share < 1 or not decisive:
            self._lost_rows, self._since = 0, None
            return [self._sign(row, value).as_warning()] if self._warned_rows >= WARN_ROWS else []
        position = self._clock.position(row)
        self._lost_rows += 1
        self._since = position if self._since is None else self._since
        sign = self._sign(row, value)
        coming_back = before is not None and self._lost_rows > 1 and before - share > COMING_BACK
        long_enough = self._lost_rows >= self._limit.rows and position - self._since >= self._clock.spacing
        if long_enough and not coming_back:
            return [self._sign(row, value, State.BAD)]
        return [sign]

    def _share(self, value: float) -> float:
        """What has been lost of the best, as a share of the limit."""
        assert self._best is not None and self._limit is not None
        if self._metric in DECIBELS:
            return (self._best - value) / self._limit.limit
        worse = value - self._best if self._metric in LOWER_IS_BETTER else self._best - value
        return worse / ((TIMES_WORSE - 1) * abs(self._best)) if self._best else 0.0

    def _sign(self, row: Row, value: float, state: State = State.UNDECIDED) -> Sign:
        assert self._limit is not None
        said = f"{self._metric} has gone from {self._best:.3g} to {value:.3g}"
        lost = f"{self._limit.limit:g} dB" if self._metric in DECIBELS else f"{TIMES_WORSE - 1:.0%}"
        threshold = f"{lost} worse than the best in {self._limit.rows} rows"
        return Sign.at(row, "lost_progress", state, said, value, threshold)
