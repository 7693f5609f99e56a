"""The checklist: metric rows in, a verdict of three values out. A pure function that everybody calls.

The agent, the watchdog, ``codecjob status`` and ``codecjob check`` all judge with :func:`evaluate`, so they cannot
disagree. What each sign means is in docs/bad-signs.md.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from job.verdict.checklist_spec import Band, Checklist
from job.verdict.hard_faults import TrainingFaults
from job.verdict.rows import Row, collate, is_baseline
from job.verdict.rules.adversarial import AdversarialSigns
from job.verdict.rules.improvement import Improvement
from job.verdict.rules.training import TrainingSigns
from job.verdict.rules.validation import WITHHOLDING, ValidationCauses
from job.verdict.signs import Severity, Sign, State, Verdict


def evaluate(rows: Iterable[Row], checklist: Checklist) -> Verdict:
    """Judges a run by its rows.

    Rows are read in the order of training, as the agent saw them: the first row that shows a bad sign decides. At each
    validation row the order is: finite values, blow-up, then (from ``checklist.epoch`` and ``checklist.min_steps`` on)
    the table with the causes beside it. Once a run is GOOD, only faults, causes and the table's bad limits can still
    condemn it. Warnings are those of the newest row of each kind.
    """
    judge = Judge(checklist)
    for row in collate(rows):
        judge.see(row)
    return judge.verdict()


class Judge:
    """The same, row by row, for whoever already has the rows in the order of training."""

    def __init__(self, checklist: Checklist) -> None:
        self._faults = TrainingFaults(checklist.faults)
        self._training = TrainingSigns(checklist.causes)
        self._table = _Table(checklist)
        self._warnings: list[Sign] = []
        self._bad: Verdict | None = None

    def see(self, row: Row) -> None:
        """Reads one row. After the row that condemned the run, the rest changes nothing."""
        if self._bad:
            return
        signs: list[Sign] = []
        self._table.pass_step(row)
        if row.kind == "start":
            for reader in (self._faults, self._training, self._table):
                reader.new_attempt(row)
        elif row.kind == "train":
            signs = [*self._faults.see(row), *self._training.see(row), *self._table.adversarial.see(row)]
            self._warnings = [sign for sign in signs if sign.severity is Severity.WARNING]
        elif row.kind == "validation":
            signs = [*self._faults.see_validation(row), *self._table.see(row)]
            self._training.see_validation(row)
        if _any_bad(signs):
            self._bad = Verdict.bad(signs)

    def verdict(self) -> Verdict:
        """The verdict of the rows read so far."""
        return self._bad or self._table.verdict(self._warnings)


class _Table:
    """Reads validation rows in order."""

    def __init__(self, checklist: Checklist) -> None:
        self.checklist = checklist
        self.causes = ValidationCauses(checklist.causes, checklist.epoch)
        self.adversarial = AdversarialSigns(checklist.causes, checklist.min_steps)
        self.planned_steps: float | None = None
        self.reached = 0  # the highest step so far
        self.good = False
        self.signs: list[Sign] = []
        self.beside: list[Sign] = []
        self.decisive_rows = 0
        self.improvement = Improvement(checklist.improvement) if checklist.improvement else None

    def new_attempt(self, start: Row) -> None:
        """A process has started."""
        self.causes.new_attempt(start)
        self.planned_steps = start.get("planned_steps") or self.planned_steps

    def pass_step(self, row: Row) -> None:
        """Takes note of how far the run is: a row that doesn't say its step is no earlier than those before it."""
        self.reached = max(self.reached, row.step or 0)

    def see(self, row: Row) -> list[Sign]:
        """The signs to condemn the run by, if one of them is bad."""
        faults = list(self._non_finite(row)) or list(self._blow_up(row))
        if faults:
            return faults
        decisive = self.checklist.decides(row.epoch, self.reached if row.step is None else row.step)
        bands = [_judge_band(name, band, row) for name, band in self.checklist.bands()]
        fine = bool(bands) and all(sign.state is State.GOOD for sign in bands)
        causes = [*self.causes.see(row, decisive, fine), *self._adversarial(row, decisive, fine)]
        signs = [*bands, self.improvement.see(row, decisive, fine)] if self.improvement else bands
        # A row that cannot decide covers neither the evidence nor the warnings of one that did.
        if decisive or not self.decisive_rows:
            self.beside = causes
        if not decisive:
            # Looked at and shown until a decisive row says more; never acted on.
            if not self.decisive_rows:
                self.signs = [sign.muted() for sign in signs]
            return causes
        self.decisive_rows += 1
        if self.good:
            # A converged run stops improving; only the table's bad limits still hold.
            return _with_causes(bands, causes)
        self.signs = signs
        # A checklist without signs has seen nothing good.
        withheld = any(sign.sign in WITHHOLDING for sign in causes)
        self.good = bool(signs) and all(sign.state is State.GOOD for sign in signs) and not withheld
        return _with_causes(signs, causes)

    def verdict(self, warnings: Iterable[Sign]) -> Verdict:
        """The verdict of a run that no row has condemned, with the warnings of its training rows."""
        beside = [*self.beside, *warnings]
        said = "".join(f"; warning: {sign.message}" for sign in beside if sign.severity is Severity.WARNING)
        signs = (*self.signs, *beside)
        if self.good:
            return Verdict(State.GOOD, signs, f"every sign of the checklist was good{said}")
        if not self.signs:
            nothing = "no validation row yet" if self.checklist.metrics() else "the checklist has no signs"
            return Verdict(State.UNDECIDED, signs, nothing + said)
        if not self.decisive_rows:
            return Verdict(State.UNDECIDED, signs, self._waiting(self.signs[0]) + said)
        withholding = [sign for sign in self.beside if sign.sign in WITHHOLDING]
        open_signs = [sign.sign for sign in (*self.signs, *withholding) if sign.state is not State.GOOD]
        return Verdict(State.UNDECIDED, signs, f"nothing is bad; not yet good: {', '.join(open_signs)}{said}")

    def _adversarial(self, row: Row, decisive: bool, fine: bool) -> list[Sign]:
        if is_baseline(row):
            return []
        signs = self.adversarial.see_validation(row)
        # A dead discriminator is as dead beside good figures; a loss that has doubled is not a lost run there.
        return [
            sign if sign.sign == "dead_discriminator" or (decisive and not fine) else sign.as_warning()
            for sign in signs
        ]

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
        trained = not is_baseline(row) and (row.step is not None or row.epoch is not None)
        if snr is not None and snr < limit and trained:
            said = f"SNR {snr:.1f} dB: the output is far louder than the input"
            yield Sign.at(row, "blow_up", State.BAD, said, snr, f"< {limit:g}")

    def _waiting(self, last: Sign) -> str:
        if last.step is None or last.epoch is None:
            return "the rows do not say their step and epoch, so nobody can tell whether the checklist may decide"
        never = ""
        if self.planned_steps is not None and self.planned_steps < self.checklist.min_steps:
            never = f"; the run plans {self.planned_steps:.0f} steps, too few for it to decide"
        return (
            f"the checklist decides from epoch {self.checklist.epoch} and step {self.checklist.min_steps} on; "
            f"the last validation was after epoch {last.epoch}, step {last.step}{never}"
        )


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


def _with_causes(table: list[Sign], causes: list[Sign]) -> list[Sign]:
    """Causes before their symptoms. Where a symptom is bad already, the cause beside it needs no more rows."""
    if _any_bad(table):
        certain = (sign.acts and sign.severity is Severity.ERROR for sign in causes)
        causes = [replace(sign, state=State.BAD) if sure else sign for sign, sure in zip(causes, certain, strict=True)]
    return [*causes, *table]


def _any_bad(signs: Iterable[Sign]) -> bool:
    return any(sign.state is State.BAD for sign in signs)
