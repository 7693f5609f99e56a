"""The checklist: metric rows in, a verdict of three values out. A pure function that everybody calls.

The agent, the watchdog, ``codecjob status`` and ``codecjob check`` all judge with :func:`evaluate`, so they cannot
disagree. What each sign means is in docs/bad-signs.md.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from job.verdict.checklist_spec import Band, Checklist
from job.verdict.clock import Clock
from job.verdict.hard_faults import TrainingFaults
from job.verdict.rate import Rate, fit, rate_of
from job.verdict.rows import Row, collate, is_baseline
from job.verdict.rules.adversarial import AdversarialSigns
from job.verdict.rules.alone import LoneSigns
from job.verdict.rules.evidence import TrainingEvidence
from job.verdict.rules.improvement import Improvement
from job.verdict.rules.learning_rate import LearningRate
from job.verdict.rules.lost_progress import LostProgress
from job.verdict.rules.plateau import TrainingPlateau
from job.verdict.rules.stages import Stages
from job.verdict.rules.training import TrainingSigns
from job.verdict.rules.validation import BEFORE_BLOW_UP, BEFORE_STAGES, CODEBOOKS, WITHHOLDING, ValidationCauses
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


# Validation metrics that must be numbers, whoever judges them. (An output that is silent has no correlation.)
FINITE = (
    "loss",
    "l1",
    "vq",
    "snr_db",
    "amplitude",
    "l1_ratio",
    "dc_offset",
    "mel_distance",
    "perplexity",
    "codes_used",
)
SILENT_AMPLITUDE = 0.05


class Judge:
    """The same, row by row, for whoever already has the rows in the order of training."""

    def __init__(self, checklist: Checklist) -> None:
        self._clock = Clock(checklist)
        self._evidence = TrainingEvidence()
        self._faults = TrainingFaults(checklist.faults, checklist.causes.get("lossy_training"))
        self._training = TrainingSigns(checklist.causes)
        self._rate_of_learning = LearningRate(checklist.causes, self._evidence)
        self._plateau = TrainingPlateau(checklist.causes, self._clock)
        self._table = _Table(checklist, self._clock, self._evidence, self._rate_of_learning)
        self._warnings: list[Sign] = []
        self._bad: Verdict | None = None

    def see(self, row: Row) -> None:
        """Reads one row. After the row that condemned the run, the rest changes nothing."""
        if self._bad:
            return
        signs: list[Sign] = []
        self._clock.see(row)
        if row.kind == "start":
            parts = (self._clock, self._evidence, self._faults, self._training, self._rate_of_learning, self._table)
            for part in parts:
                part.new_attempt(row)
        elif row.kind == "train":
            self._evidence.see(row)
            signs = [
                *self._rate_of_learning.see(row),
                *self._faults.see(row),
                *self._training.see(row),
                *self._plateau.see(row),
                *self._table.adversarial.see(row),
            ]
            self._warnings = [sign for sign in signs if sign.severity is Severity.WARNING]
        elif row.kind == "validation":
            signs = [*self._faults.see_validation(row), *self._table.see(row)]
            self._training.see_validation(row)
            self._plateau.see_validation(row)
        if _any_bad(signs):
            self._bad = Verdict.bad(signs)

    def verdict(self) -> Verdict:
        """The verdict of the rows read so far."""
        return self._bad or self._table.verdict(self._warnings)


class _Table:
    """Reads validation rows in order."""

    def __init__(self, given: Checklist, clock: Clock, evidence: TrainingEvidence, lr: LearningRate) -> None:
        self.given = given
        self.clock = clock
        self.rate_of_learning = lr
        self.rate: Rate | None = None
        self.checklist = given  # fitted to the rate once a start row tells it
        self.causes = ValidationCauses(given.causes, given.epoch, evidence)
        self.stages = Stages(given.causes, clock)
        self.adversarial = AdversarialSigns(given.causes, given.min_steps)
        self.improvement = Improvement(given.improvement, given, clock) if given.improvement else None
        self.lost = LostProgress(given.improvement.metric, given.causes, clock) if given.improvement else None
        self.alone = LoneSigns(given)
        self.good = False
        self.signs: list[Sign] = []
        self.beside: list[Sign] = []
        self.decisive_rows = 0
        self.baseline_snr = math.inf

    def new_attempt(self, start: Row) -> None:
        """A process has started."""
        self.rate = rate_of(start) or self.rate
        self.checklist = fit(self.given, self.rate)
        self.causes.new_attempt(start, self.rate)
        self.stages.new_attempt(start)
        if self.improvement:
            self.improvement.new_attempt(self.checklist, self.rate)

    def see(self, row: Row) -> list[Sign]:
        """The signs to condemn the run by, if one of them is bad."""
        faults = list(self._non_finite(row))
        if _any_bad(faults):
            return faults
        decisive = self.clock.decides(row)
        blown_up = list(self._blow_up(row, decisive))
        if is_baseline(row):
            self.baseline_snr = row.get("snr_db") or 0.0
        bands = [_judge_band(name, band, row) for name, band in self.checklist.bands()]
        fine = bool(bands) and all(sign.state is State.GOOD for sign in bands)
        causes = self._causes(row, decisive or bool(blown_up), fine)
        if blown_up:
            return _with_causes(blown_up, [sign for sign in causes if sign.sign in BEFORE_BLOW_UP])
        if not self.checklist.strict:
            proven = any(sign.sign in CODEBOOKS and sign.severity is Severity.ERROR for sign in causes)
            bands = self.alone.weigh(row, bands, decisive, self.rate, proven)
        signs = [*bands, self.improvement.see(row, decisive, fine)] if self.improvement else bands
        causes += faults
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
            # A converged run stops improving; only the table's bad limits and the causes still hold.
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

    def _causes(self, row: Row, decisive: bool, fine: bool) -> list[Sign]:
        """Every cause that a row shows, in the order of the chain."""
        causes = self.causes.see(row, decisive, fine)
        first = [sign for sign in causes if sign.sign in BEFORE_STAGES]
        return [
            *self.rate_of_learning.beside(row),
            *first,
            *self.stages.see(row, decisive),
            *(sign for sign in causes if sign not in first),
            *self._adversarial(row, decisive, fine),
            *(self.lost.see(row, decisive) if self.lost else ()),
        ]

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
        names = [*FINITE, *self.checklist.metrics()]
        if (row.get("amplitude") or 0.0) > SILENT_AMPLITUDE:
            names.append("correlation")
        for name in dict.fromkeys(names):
            value = row.get(name)
            if value is not None and not math.isfinite(value):
                after = "" if row.epoch is None else f" after epoch {row.epoch}"
                said = f"{name} is {value} in the validation{after}"
                yield Sign.at(row, "non_finite", State.BAD, said, value, "finite")

    def _blow_up(self, row: Row, decisive: bool) -> Iterator[Sign]:
        # An untrained decoder may say anything, so the baseline row is left out, and a row that may be it; nor has an
        # early row blown up that is no louder than that.
        snr, limit = row.get("snr_db"), self.checklist.faults.blow_up_snr_db
        trained = not is_baseline(row) and (row.step is not None or row.epoch is not None)
        if snr is not None and snr < limit and trained and (decisive or snr < self.baseline_snr):
            said = f"SNR {snr:.1f} dB: the output is far louder than the input"
            yield Sign.at(row, "blow_up", State.BAD, said, snr, f"< {limit:g}")

    def _waiting(self, last: Sign) -> str:
        if last.step is None and not self.clock.reached:
            return "the rows do not say their step, so nobody can tell whether the checklist may decide"
        never, planned, wanted = "", self.clock.planned_steps, self.clock.min_steps
        if planned is not None and planned < wanted:
            never = f"; the run plans {planned:.0f} steps, too few for it to decide"
        since = f"epoch {self.checklist.epoch} and step {wanted}" if self.checklist.epoch > 1 else f"step {wanted}"
        after = "" if last.epoch is None else f"after epoch {last.epoch}, "
        step = f"step {self.clock.reached if last.step is None else last.step}"
        return f"the checklist decides from {since} on; the last validation was {after}at {step}{never}"


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


def _with_causes(table: Sequence[Sign], causes: Sequence[Sign]) -> list[Sign]:
    """Causes before their symptoms. Where a symptom is bad already, the cause beside it needs no more rows."""
    if _any_bad(table):
        certain = (sign.acts and sign.severity is Severity.ERROR for sign in causes)
        causes = [replace(sign, state=State.BAD) if sure else sign for sign, sure in zip(causes, certain, strict=True)]
    return [*causes, *table]


def _any_bad(signs: Iterable[Sign]) -> bool:
    return any(sign.state is State.BAD for sign in signs)
