"""Corrections that only the whole file shows: epochs that count from 0, amplitudes in percent."""

import math
from statistics import median

from job.verdict.readers.recognise import CONSOLE, DOCUMENT
from job.verdict.row_table import RowTable
from job.verdict.rows import Row

# Above this nobody's output is louder than its input, but for a run that has blown up.
LOUD = 3.0


def correct(table: RowTable, notes: list[str], form: str) -> None:
    """Correct the rows in place, and say so in the notes."""
    if _in_percent(table):
        table.change("amplitude", "validation", by=0.01)
        notes.append("amplitude is in percent: divided by 100")
    if any(1 < abs(value) <= 100 for value in table.column("correlation", "validation")):
        table.change("correlation", "validation", by=0.01)
        notes.append("correlation is in percent: divided by 100")
    # Hugging Face counts the epochs that are done, in fractions.
    if form != DOCUMENT and _epochs_from_zero(table, form):
        for kind in ("train", "validation"):
            table.change("epoch", kind, plus=1.0)
        notes.append("epochs count from 0: one was added to each")


def is_impossible(amplitude: float, snr_db: float) -> bool:
    """Whether no signal has this amplitude at this SNR.

    The error of an output of deviation g is at least that of g - 1 of the input, so abs(g - 1) <= 10^(-SNR/20). A
    margin of 10% is for means over crops.
    """
    return abs(amplitude - 1) > 1.1 * 10 ** (-snr_db / 20) + 0.05


def _in_percent(table: RowTable) -> bool:
    values = [value for value in table.column("amplitude", "validation") if math.isfinite(value)]
    if not values or max(values) <= LOUD:
        return False
    votes = [vote for row in table if row.kind == "validation" and (vote := _vote(row)) is not None]
    return sum(votes) * 2 > len(votes) if votes else median(values) > LOUD


def _vote(row: Row) -> bool | None:
    """Whether a row proves a percentage; None where it proves nothing."""
    amplitude, snr = row.get("amplitude"), row.get("snr_db")
    if amplitude is None or snr is None or not amplitude > LOUD or not (-100 < snr < 200):
        return None
    return is_impossible(amplitude, snr) and not is_impossible(amplitude / 100, snr)


def _epochs_from_zero(table: RowTable, form: str) -> bool:
    """Whether the first validation, after epoch 0, is that of a trained model, and each epoch has one.

    Validations within an epoch share its number. A start row is that of `codec train`, which counts epochs done.
    """
    if table.count("start"):
        return False
    epochs = list(table.column("epoch", "validation"))
    if not epochs or min(epochs) != 0 or len(set(epochs)) != len(epochs) or any(at % 1 for at in epochs):
        return False
    first = next(row for row in table if row.kind == "validation" and row.epoch == 0)
    return bool(first.step) or (first.step is None and form == CONSOLE)
