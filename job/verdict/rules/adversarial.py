"""Causes that only a training with a discriminator has.

Their clock begins with the first row that shows a discriminator at work, not with the run.
"""

import math
from collections.abc import Iterator, Mapping

from job.verdict.rows import Row
from job.verdict.rules.limits import Limit
from job.verdict.signs import Sign, State

FIELDS = ("disc_loss", "gen_loss", "adversarial_loss", "adversarial", "feature_loss")
_FIELDS = frozenset(FIELDS)
# A hinge loss of 2 is that of a discriminator that says 0 to everything; its features then hardly differ.
SILENT_HINGE, DEAD_FEATURES = 2.0, 0.03
# What goes with a real explosion, by the metric that the recipe follows: decibels lost, or times as much.
LOST_DB, TIMES_WORSE = 3.0, 1.25


def is_adversarial(row: Row) -> bool:
    """Whether a row shows that a discriminator takes part. Zeros are what is logged before it does."""
    values = row.values
    return any(values.get(name) for name in _FIELDS & values.keys())


class AdversarialSigns:
    """Reads training and validation rows in order."""

    def __init__(self, limits: Mapping[str, Limit | None], min_steps: int) -> None:
        self._limits = limits
        self._min_steps = min_steps
        self._since: int | None = None  # step of the first row with a discriminator
        self._dead_epochs: list[int] = []
        self._alive_epoch: int | None = None
        self._lowest: dict[str, float] = {}
        self._highest_snr = -math.inf

    def see(self, row: Row) -> list[Sign]:
        """The signs of a row of either kind."""
        if self._since is None and is_adversarial(row):
            self._since = row.step
        return list(self._dead(row))

    def see_validation(self, row: Row) -> list[Sign]:
        """The signs of a validation row of a trained model, judged against those before it."""
        signs = [*self.see(row), *self._explosion(row)]
        for name in ("loss", "mel_distance"):
            value = row.get(name)
            if value is not None and math.isfinite(value):
                self._lowest[name] = min(self._lowest.get(name, math.inf), value)
        snr = row.get("snr_db")
        if snr is not None and math.isfinite(snr):
            self._highest_snr = max(self._highest_snr, snr)
        return signs

    def _dead(self, row: Row) -> Iterator[Sign]:
        limit = self._limits.get("dead_discriminator")
        hinge, features = row.get("disc_loss"), row.get("feature_loss")
        if limit is None or hinge is None or not features or row.epoch is None or row.step is None:
            return
        if abs(hinge - SILENT_HINGE) > limit.limit or not 0 < features <= DEAD_FEATURES:
            self._dead_epochs, self._alive_epoch = [], row.epoch
            return
        if row.epoch == self._alive_epoch:
            return  # one row that is alive speaks for its epoch
        if row.epoch not in self._dead_epochs:
            self._dead_epochs.append(row.epoch)
        learnt_for = row.step - (self._since if self._since is not None else row.step)
        if len(self._dead_epochs) >= limit.rows and learnt_for >= self._min_steps:
            said = (
                f"the discriminator is dead: hinge loss {hinge:.2f} and feature loss {features:.3f} "
                f"for {len(self._dead_epochs)} epochs"
            )
            threshold = f"2.00 +- {limit.limit:g} for {limit.rows} epochs"
            yield Sign.at(row, "dead_discriminator", State.BAD, said, hinge, threshold)

    def _explosion(self, row: Row) -> Iterator[Sign]:
        limit, loss, lowest = self._limits.get("adversarial_explosion"), row.get("loss"), self._lowest.get("loss")
        if limit is None or loss is None or lowest is None or self._since is None:
            return
        if loss > limit.limit * lowest and self._sounds_worse(row):
            said = (
                f"since the adversarial loss takes part, the validation loss is {loss:.3g}, after {lowest:.3g} before"
            )
            yield Sign.at(row, "adversarial_explosion", State.BAD, said, loss, f"> {limit.limit:g} times the lowest")

    def _sounds_worse(self, row: Row) -> bool:
        """Whether the decoded audio has got worse too: a commitment error alone may grow in a healthy run."""
        mel, snr = row.get("mel_distance"), row.get("snr_db")
        if mel is not None and "mel_distance" in self._lowest:
            return mel > TIMES_WORSE * self._lowest["mel_distance"]
        return snr is None or snr < self._highest_snr - LOST_DB
