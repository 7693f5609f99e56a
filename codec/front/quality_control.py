"""The base of the step for each group of frames, so that a recording comes back with a given SNR."""

import numpy as np

from codec.front import forecast
from codec.front.powers import Float32Array, Ints
from codec.front.side import BASE_STEP, LEAST_BASE
from codec.front.tables import Forecast

MEMORY = 100  # groups that the mean error of average speech counts for


class QualityControl:
    """Chooses the base so that the error of a whole recording comes to a share of its energy: a constant SNR.

    Equal error everywhere costs the fewest bits, so the base hardly moves. The recording's length and energy are known
    beforehand; what it will cost is not.
    """

    def __init__(self, known: Forecast, error: float, groups: int) -> None:
        self._known = known
        self._left = error  # squared error that may still be made
        self._groups = groups  # still to come
        self._mean = known.noise_prior.astype(np.float64)
        self._seen = MEMORY
        self._expected = 0.0
        self._bias = 1.0  # of the table: real error over expected one
        self._usual = error / groups
        self._base: int | None = None

    def plan(self, levels: Ints) -> Ints:
        """Bases for the groups of a block, [groups], each from its own levels and those before it."""
        self._expected = 0.0
        return np.array([self._next(noise) for noise in forecast.noises_of(levels, self._known)], np.int64)

    def coded(self, bits: int, error: float) -> None:
        """The block that was planned has this squared error."""
        self._left += self._expected - error
        if self._expected > 0 and error > 0:
            self._bias = float(np.clip(self._bias * (error / self._expected) ** 0.5, 0.5, 2.0))

    def _next(self, noise: Float32Array) -> int:
        wanted = float(np.clip(self._left / max(self._groups, 1), 0.3 * self._usual, 3 * self._usual)) / self._bias
        index = int(np.searchsorted(self._mean, wanted, side="right")) - 1  # errors rise with the base
        self._base = forecast.limited(int(forecast.BASES[max(index, 0)]), self._base)
        here = float(noise[(self._base - LEAST_BASE) // BASE_STEP]) * self._bias
        self._expected += here
        self._left -= here
        self._groups -= 1
        self._seen += 1
        self._mean += (noise - self._mean) / self._seen
        return self._base
