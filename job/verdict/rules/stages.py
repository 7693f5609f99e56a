"""Codebooks one by one: a mean over stages hides its worst member."""

import math
from collections.abc import Mapping

from job.verdict.clock import Clock
from job.verdict.rows import Row
from job.verdict.rules.limits import Limit
from job.verdict.signs import Sign, State

# So few codes tell half a bit a frame, however large the codebook.
NEAR_ONE_CODE = 1.5
# A share of an unknown codebook is taken as one of the trainer's default size.
USUAL_SIZE = 1024.0
CROPS_TO_COUNT_CODES = 8.0


class Stages:
    """Reads validation rows in order and counts the stages that say nothing."""

    def __init__(self, limits: Mapping[str, Limit | None], clock: Clock) -> None:
        self._limit = limits.get("dead_stages")
        self._clock = clock
        self._size: float | None = None
        self._used: int | None = None  # stages that frames use, where frames differ in them
        self._rows = 0

    def new_attempt(self, start: Row) -> None:
        """A process has started."""
        self._size = start.get("codebook_size") or self._size
        mean = start.get("mean_quantizers")
        self._used = max(int(mean), 1) if mean and math.isfinite(mean) else None

    def see(self, row: Row, decisive: bool) -> list[Sign]:
        """The sign of a row: bad where so many stages are dead in rows in a row, also next to good figures."""
        codes = self.codes(row)
        if self._limit is None or len(codes) < 2:
            return []
        dead = [number for number, used in enumerate(codes, 1) if used <= NEAR_ONE_CODE]
        if not dead:
            self._rows = 0
            return []
        most = len(dead) >= self._limit.limit * len(codes)
        self._rows = self._rows + decisive if most else 0
        said = f"{len(dead)} of {len(codes)} codebooks are dead: stage {_listed(dead)} uses one code"
        threshold = f"{self._limit.limit:.0%} of the stages in {self._limit.rows} rows"
        sign = Sign.at(row, "dead_stages", State.UNDECIDED, said, len(dead), threshold)
        if not most:
            return [sign.as_warning()]
        if self._rows >= self._limit.rows:
            return [Sign.at(row, "dead_stages", State.BAD, said, len(dead), threshold)]
        return [sign if decisive else sign.muted()]

    def codes(self, row: Row) -> tuple[float, ...]:
        """Codes that each stage uses, by its perplexity; empty where a row says too little to count them."""
        perplexity = row.stages.get("perplexity", ())
        few = (row.get("crops") or math.inf) < CROPS_TO_COUNT_CODES
        if few or not perplexity or any(math.isnan(value) for value in perplexity):
            return ()
        # Numbers of codes, as some trainers write, are never below 1; shares never above it.
        size = 1.0 if min(perplexity) >= 1 else self._size or USUAL_SIZE
        return tuple(value * size for value in perplexity[: self._used])


def _listed(numbers: list[int]) -> str:
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
