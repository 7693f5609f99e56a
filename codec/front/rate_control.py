"""The base of the step for each group of frames, so that a stream keeps to its rate without looking ahead.

The controller keeps a running mean of what groups of the audible past would cost at any base, which begins with that of
average speech, and takes the base at which the mean would cost what the rate allows. What was spent above or below the
rate so far is corrected over the next seconds. It sees nothing beyond the group itself, and the bytes of a block only
once the block is done.
"""

import numpy as np

from codec.front import bands, forecast
from codec.front.powers import Float32Array, Ints
from codec.front.side import BASE_STEP, LEAST_BASE
from codec.front.tables import Forecast

MEMORY_SECONDS = 6.0  # of the running mean
CORRECTION_SECONDS = 1.5  # over which a debt is paid back
MOST_DEBT_SECONDS = 1.5  # of the rate: what may be owed or saved up
AUDIBLE = 0.25  # a group that costs less than this share of the budget is silent
PAUSE_SECONDS = 0.5  # a pause belongs to speech; a longer one no longer enters the mean


class RateControl:
    """Chooses the base for group after group."""

    def __init__(self, known: Forecast, bits_per_second: float) -> None:
        self._known = known
        self._groups_per_second = bands.RATE / (known.settings.hop * known.settings.group)
        self._budget = bits_per_second / self._groups_per_second
        self._mean = known.prior.astype(np.float64)
        self._debt = 0.0  # bits
        self._expected = 0.0  # bits of the block that is being planned, by the table
        self._bias = 1.0  # of the table: real bits over expected ones
        self._base: int | None = None
        self._silent = 0  # groups, up to now

    def plan(self, levels: Ints) -> Ints:
        """Bases for the groups of a block, [groups], each from its own levels and those before it."""
        costs = forecast.costs_of(levels, self._known)
        self._expected = 0.0
        return np.array([self._next(cost) for cost in costs], np.int64)

    def coded(self, bits: int, error: float) -> None:
        """The block that was planned took so many bits."""
        limit = MOST_DEBT_SECONDS * self._groups_per_second * self._budget
        # What `_next` has booked by the table is replaced by what was really spent.
        self._debt += bits - self._expected
        self._debt = float(np.clip(self._debt, -limit, limit))
        if self._expected > 0:
            self._bias *= (bits / self._expected) ** 0.5
            self._bias = float(np.clip(self._bias, 0.5, 2.0))

    def _next(self, cost: Float32Array) -> int:
        limit = MOST_DEBT_SECONDS * self._groups_per_second * self._budget
        wanted = self._budget - self._debt / (CORRECTION_SECONDS * self._groups_per_second)
        wanted = float(np.clip(wanted, 0.35 * self._budget, 2 * self._budget)) / self._bias
        index = int(np.searchsorted(-self._mean, -wanted))  # costs fall with the base
        base = int(forecast.BASES[min(index, len(forecast.BASES) - 1)])
        self._base = base = forecast.limited(base, self._base)
        here = float(cost[(base - LEAST_BASE) // BASE_STEP]) * self._bias
        self._expected += here
        self._debt = max(self._debt + here - self._budget, -limit)
        self._silent = 0 if here > AUDIBLE * self._budget else self._silent + 1
        if self._silent < PAUSE_SECONDS * self._groups_per_second:
            share = 1 / (MEMORY_SECONDS * self._groups_per_second)
            self._mean += share * (cost - self._mean)
        return base
