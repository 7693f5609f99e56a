"""The checklist: metric rows in, a verdict of three values out. A pure function that everybody calls.

The agent, the watchdog, ``codecjob status`` and ``codecjob check`` all judge with :func:`evaluate`, so they cannot
disagree. What each sign means is in docs/bad-signs.md.
"""

import math
from collections.abc import Iterable, Iterator

from job.checklist_spec import Band, Checklist
from job.faults import TrainingFaults
from job.metrics_log import Row, collate
from job.verdict import Sign, State, Verdict


def evaluate(rows: Iterable[Row], checklist: Checklist) -> Verdict:
    """Judges a run by its rows.

    Rows are read in the order of training, as the agent saw them: the first row that shows a bad sign decides. At each
    validation row the order is: finite values, blow-up, then (from ``checklist.epoch`` and ``checklist.min_steps`` on)
    the table. Once a run is GOOD, only faults and the table's bad limits can still condemn it.
    """
    faults = TrainingFaults(checklist.faults)
    table = _Table(checklist)
    for row in collate(rows):
        bad: list[Sign] = []
        if row.kind == "start":
            faults.new_attempt(row)
        elif row.kind == "train":
            bad = faults.see(row)
        elif row.kind == "validation":
            bad = [*faults.see_validation(row), *table.see(row)]
        if bad:
            return Verdict.bad(bad)
    return table.verdict()


class _Table:
    """Reads validation rows in order."""

    def __init__(self, checklist: Checklist) -> None:
        self.checklist = checklist
        self.good = False
        self.signs: list[Sign] = []
        self.decisive_rows = 0
        self.strikes = 0
        # The improvement metric in every row so far, before training, and whether a decisive row had it.
        self.history: list[float] = []
        self.baseline: float | None = None
        self.compared = False

    def see(self, row: Row) -> list[Sign]:
        """The signs to condemn the run by, if this row does."""
        faults = list(self._non_finite(row)) or list(self._blow_up(row))
        if faults:
            return faults
        decisive = self._decisive(row)
        bands = [_judge_band(name, band, row) for name, band in self.checklist.bands()]
        signs = [*bands, *self._improvement(row, decisive)]
        self._remember(row, decisive)
        if not decisive:
            # Looked at and shown until a decisive row says more; never acted on.
            if not self.decisive_rows:
                self.signs = [sign.muted() for sign in signs]
            return []
        self.decisive_rows += 1
        if self.good:
            # A converged run stops improving; only the table's bad limits still hold.
            return bands if _any_bad(bands) else []
        self.signs = signs
        # A checklist without signs has seen nothing good.
        self.good = bool(signs) and all(sign.state is State.GOOD for sign in signs)
        return signs if _any_bad(signs) else []

    def verdict(self) -> Verdict:
        """The verdict of a run that no row has condemned."""
        if self.good:
            return Verdict(State.GOOD, tuple(self.signs), "every sign of the checklist was good")
        if not self.signs:
            said = "no validation row yet" if self.checklist.metrics() else "the checklist has no signs"
            return Verdict(State.UNDECIDED, (), said)
        if not self.decisive_rows:
            return Verdict(State.UNDECIDED, tuple(self.signs), self._waiting(self.signs[0]))
        open_signs = ", ".join(sign.sign for sign in self.signs if sign.state is not State.GOOD)
        return Verdict(State.UNDECIDED, tuple(self.signs), f"nothing is bad; not yet good: {open_signs}")

    def _non_finite(self, row: Row) -> Iterator[Sign]:
        for name in dict.fromkeys(("loss", "l1", "vq", "snr_db", "amplitude", *self.checklist.metrics())):
            value = row.get(name)
            if value is not None and not math.isfinite(value):
                after = "" if row.epoch is None else f" after epoch {row.epoch}"
                said = f"{name} is {value} in the validation{after}"
                yield Sign.at(row, "non_finite", State.BAD, said, value, "finite")

    def _blow_up(self, row: Row) -> Iterator[Sign]:
        # An untrained decoder may say anything, so the baseline row is left out, and a row that may be it.
        snr, limit = row.get("snr_db"), self.checklist.faults.blow_up_snr_db
        trained = not _is_baseline(row) and (row.step is not None or row.epoch is not None)
        if snr is not None and snr < limit and trained:
            said = f"SNR {snr:.1f} dB: the output is far louder than the input; try a lower learning_rate"
            yield Sign.at(row, "blow_up", State.BAD, said, snr, f"< {limit:g}")

    def _decisive(self, row: Row) -> bool:
        if row.epoch is None or row.step is None:
            return False
        return row.epoch >= self.checklist.epoch and row.step >= self.checklist.min_steps

    def _improvement(self, row: Row, decisive: bool) -> Iterator[Sign]:
        rule = self.checklist.improvement
        if rule is None:
            return
        value = row.get(rule.metric)
        state, threshold = State.UNDECIDED, "better at every epoch"
        if value is None:
            said = f"{rule.metric} is missing from the row"
        elif not self.history:
            said = "there is no earlier row to compare with"
        elif rule.better(value, best := rule.best(self.history)):
            self.strikes = 0
            state, said = State.GOOD, f"{rule.metric} went from {best:.3g} to {value:.3g}"
        else:
            said = f"{rule.metric} {value:.3g} is no better than {best:.3g} before"
            self.strikes += decisive
            # At the first decisive row a dip below a better row of the grace time is a strike like any other: only a
            # run that is no better than where it began is bad at once.
            begun_at = self.baseline
            nothing_learnt = not self.compared and begun_at is not None and not rule.better(value, begun_at)
            if decisive and (nothing_learnt or self.strikes >= rule.patience):
                state = State.BAD
        yield Sign.at(row, "improvement", state, said, value, threshold)

    def _remember(self, row: Row, decisive: bool) -> None:
        rule = self.checklist.improvement
        value = row.get(rule.metric) if rule else None
        if value is None:
            return
        self.history.append(value)
        self.compared = self.compared or decisive
        if self.baseline is None and _is_baseline(row):
            self.baseline = value

    def _waiting(self, last: Sign) -> str:
        if last.step is None or last.epoch is None:
            return "the rows do not say their step and epoch, so nobody can tell whether the checklist may decide"
        return (
            f"the checklist decides from epoch {self.checklist.epoch} and step {self.checklist.min_steps} on; "
            f"the last validation was after epoch {last.epoch}, step {last.step}"
        )


def _is_baseline(row: Row) -> bool:
    """Whether a validation row is the untrained model's."""
    return row.step == 0 or row.epoch == 0


def _judge_band(name: str, band: Band, row: Row) -> Sign:
    value = row.get(name)
    if value is None:
        return Sign.at(row, name, State.UNDECIDED, f"{name} is missing from the row", value, band.text())
    if band.is_bad(value):
        return Sign.at(row, name, State.BAD, f"{name} {value:.3g} is bad ({band.bad_text()})", value, band.text())
    if band.is_good(value):
        return Sign.at(row, name, State.GOOD, f"{name} {value:.3g} is good ({band.good_text()})", value, band.text())
    said = f"{name} {value:.3g} lies between good and bad ({band.text()})"
    return Sign.at(row, name, State.UNDECIDED, said, value, band.text())


def _any_bad(signs: Iterable[Sign]) -> bool:
    return any(sign.state is State.BAD for sign in signs)
