"""When the table may decide: a clock of training, not of epochs."""

import math

from job.verdict.checklist_spec import DEFAULT_MIN_STEPS, Checklist
from job.verdict.rows import Row, is_baseline

# The default min_steps stands for so much audio, whatever the batch: 3,000 steps of 16 crops of 1 s.
USUAL_STEP_SECONDS = 16.0
# Fewer steps prove nothing however large the batch; more are not waited for however small it is.
LEAST_SHARE, MOST_SHARE = 1 / 3, 4.0
# Share of min_steps that must follow a warm-up, and how far a warm-up may put the verdict off.
AFTER_WARMUP, LONGEST_WARMUP = 0.5, 4.0
# One strike for so much training: a share of min_steps. With less a slow rise is lost in the noise of a few rows.
STRIKE_SHARE = 1 / 2
# An output that is still silent, unrelated to the input, while its spectrum is being learnt.
SILENT_AMPLITUDE, SILENT_DB, UNRELATED, SPECTRUM_LEARNT = 0.1, 0.3, 0.1, 0.85
SILENCE_MEL = 2.0  # the mel distance of silence


def steps_before_verdict(checklist: Checklist, step_seconds: float | None, warmup_steps: float = 0.0) -> int:
    """Optimizer steps before which the table does not decide: a number of the user's own, or what the default means.

    Args:
        step_seconds: audio in one step of all ranks, in seconds; None where nobody knows.
        warmup_steps: the plan's warm-up, which lengthens the wait.
    """
    if checklist.min_steps != DEFAULT_MIN_STEPS:
        return checklist.min_steps
    share = USUAL_STEP_SECONDS / step_seconds if step_seconds else 1.0
    steps = DEFAULT_MIN_STEPS * min(max(share, LEAST_SHARE), MOST_SHARE)
    warmup = min(warmup_steps, LONGEST_WARMUP * steps)
    return round(max(steps, warmup + AFTER_WARMUP * steps))


class Clock:
    """Reads every row; knows how far training is and which validation rows decide."""

    def __init__(self, checklist: Checklist) -> None:
        self._checklist = checklist
        self._warmup = 0.0
        self._step_seconds: float | None = None
        self._silent_mel: float | None = None  # mel distance of the untrained model
        self.planned_steps: float | None = None
        self.reached = 0
        """The highest step so far."""
        self._count()

    def new_attempt(self, start: Row) -> None:
        """A process has started: its batch and warm-up are those of its start row."""
        self.planned_steps = start.get("planned_steps") or self.planned_steps
        self._warmup = _positive(start.get("warmup_steps")) or self._warmup
        self._step_seconds = _step_seconds(start) or self._step_seconds
        self._count()

    def see(self, row: Row) -> None:
        """Takes note of a row: one that does not say its step is no earlier than those before it."""
        self.reached = max(self.reached, row.step or 0)
        seen = _positive(row.get("audio_seconds"))
        if row.kind != "start" and row.step and seen:
            self._step_seconds = seen / row.step
            self._count()
        if row.kind == "validation" and is_baseline(row):
            self._silent_mel = row.get("mel_distance")

    def position(self, row: Row) -> int:
        """The step that a row stands at."""
        return self.reached if row.step is None else row.step

    def decides(self, row: Row) -> bool:
        """Whether a validation row is past the grace. A row that says neither step nor epoch never is."""
        if is_baseline(row) or (row.step is None and row.epoch is None):
            return False
        if self._checklist.epoch > 1 and (row.epoch is None or row.epoch < self._checklist.epoch):
            return False
        position = self.position(row)
        return position >= self.min_steps and not (position < 2 * self.min_steps and self._still_silent(row))

    def _still_silent(self, row: Row) -> bool:
        """Whether a row is that of a healthy run in a long valley: silent, but its spectrum is nearer than at first.

        In dead runs the mel distance of a silent output stays or rises (docs/bad-signs.md).
        """
        snr, amplitude, mel, rho = (row.get(name) for name in ("snr_db", "amplitude", "mel_distance", "correlation"))
        if snr is None or amplitude is None or mel is None or self._silent_mel is None:
            return False
        silent = abs(snr) <= SILENT_DB and amplitude < SILENT_AMPLITUDE and abs(rho or 0.0) < UNRELATED
        return silent and mel <= SPECTRUM_LEARNT * min(self._silent_mel, SILENCE_MEL)

    def _count(self) -> None:
        self.min_steps = steps_before_verdict(self._checklist, self._step_seconds, self._warmup)
        self.spacing = max(round(STRIKE_SHARE * self.min_steps), 1)
        """Steps of training between two strikes."""


def _step_seconds(start: Row) -> float | None:
    """Audio in a step, from the batch; else from the length of the data and of an epoch."""
    batch, segment, rate = (_positive(start.get(name)) for name in ("batch_size", "segment_length", "sample_rate"))
    if batch and segment and rate:
        return batch * segment / rate
    seconds, steps = _positive(start.get("audio_seconds")), _positive(start.get("steps_per_epoch"))
    return seconds / steps if seconds and steps else None


def _positive(value: float | None) -> float:
    return value if value is not None and 0 < value < math.inf else 0.0
