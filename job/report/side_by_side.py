"""Several runs in one picture: their curves overlaid, their figures and settings in columns."""

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from job.record.resolved_settings import Resolved, differences, spell
from job.report import labels, series, thresholds, view
from job.report.chart import Curve, Figure, figure
from job.report.curves import TRACKS, names
from job.report.gather import Facts
from job.report.palette import DASHES, RUNS, Colour

MOST_RUNS = len(RUNS)
HEADLINES = ("loss", "snr_db", "si_sdr_db", "amplitude", "correlation", "mel_distance", "perplexity")


@dataclass(frozen=True)
class Column:
    """One of the runs, with the letter and the colour by which it is known on the page."""

    letter: str
    facts: Facts
    colour: Colour
    dash: str


@dataclass(frozen=True)
class Overlay:
    """One metric of all runs."""

    metric: labels.Metric
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Line:
    """One fact or setting, with a cell for each run, and under each cell a note or nothing."""

    name: str
    cells: tuple[str, ...]
    notes: tuple[str, ...]


def columns(runs: Sequence[Facts]) -> list[Column]:
    """The runs in the order in which they were named: A, B and so on."""
    return [
        Column(letter, facts, colour, dash)
        for letter, facts, colour, dash in zip(string.ascii_uppercase, runs, RUNS, DASHES, strict=False)
    ]


def overlays(runs: Sequence[Column]) -> list[Overlay]:
    """A chart for each metric that any run has: validation rows in a thick line, training rows in a thin one.

    A limit is drawn where the checklists of all runs have it.
    """
    last = max((row.step or 0 for run in runs for row in run.facts.rows), default=0)
    found = []
    for metric in labels.ordered(set().union(*(names(run.facts.rows) for run in runs))):
        every = [_curve(run, kind, metric.name) for kind in reversed(TRACKS) for run in runs]
        curves = _with_a_main([curve for curve in every if curve.series])
        lines = _shared_limits(runs, metric.name)
        said = [f"{metric.title} over steps"]
        for curve in curves:
            newest = view.number(curve.series.points[-1].value) if curve.series.points else "not a number"
            said.append(f"{curve.name}: newest {newest}")
        drawn = figure(curves, lines, unit=metric.unit, log=metric.log, last_step=last)
        found.append(Overlay(metric, "; ".join([*said, *(line.said for line in lines if line.table)]), drawn))
    return found


def outcomes(runs: Sequence[Column]) -> list[Line]:
    """How the runs stand: state, newest and best figures, money."""
    validations = [run.facts.validations() for run in runs]
    states = [run.facts.state for run in runs]
    newest = [rows[-1] if rows else None for rows in validations]
    lines = [
        _line("state", [state.state if state else "-" for state in states]),
        _line("billing", [state.billing if state else "-" for state in states]),
        _line("epoch", [view.count(row.epoch) if row else "-" for row in newest]),
        _line("step", [view.count(row.step) if row else "-" for row in newest]),
    ]
    for name in HEADLINES:
        cells = [view.number(row.get(name)) if row else "-" for row in newest]
        if any(cell != "-" for cell in cells):
            metric = labels.of(name)
            lines.append(_line(f"{metric.title} {metric.unit}".strip(), cells))
    best = [max((row.get("snr_db") or float("-inf") for row in rows), default=float("-inf")) for rows in validations]
    lines.append(_line("best SNR dB", [view.number(value) if value > float("-inf") else "-" for value in best]))
    lines.append(_line("trained on", [view.trained_on(run.facts) or "-" for run in runs]))
    for label, field in (("cost", "cost"), ("cost to the end", "to_the_end"), ("saved", "saved")):
        amounts = [getattr(state.money, field) if state else None for state in states]
        notes = [amount.basis if amount else "" for amount in amounts]
        lines.append(_line(label, [view.usd(amount.usd) if amount else "-" for amount in amounts], notes))
    return lines


def settings(runs: Sequence[Resolved]) -> list[Line]:
    """What differs between any of the runs, as `codecjob diff` tells it of two: a line for each key."""
    first, *others = runs
    keys = list(dict.fromkeys(item.key for other in others for item in differences(first, other)))
    return [_line(key, [_cell(run, key) for run in runs]) for key in keys]


def _curve(run: Column, kind: str, metric: str) -> Curve:
    rows = (row for row in run.facts.rows if row.kind == kind)
    name = f"{run.letter} ({kind})"
    return Curve(name, series.of(rows, metric), run.colour.light, run.dash, main=kind == "validation")


def _with_a_main(curves: list[Curve]) -> list[Curve]:
    """What only training measures is drawn as thick as the rest."""
    return curves if any(curve.main for curve in curves) else [replace(curve, main=True) for curve in curves]


def _shared_limits(runs: Sequence[Column], metric: str) -> list[thresholds.Line]:
    checklists = [run.facts.checklist for run in runs if run.facts.checklist is not None]
    every = [thresholds.lines(checklist, metric) for checklist in checklists]
    return [line for line in every[0] if all(line in others for others in every)] if every else []


def _line(name: str, cells: Sequence[str], notes: Sequence[str] = ()) -> Line:
    return Line(name, tuple(cells), tuple(notes) or ("",) * len(cells))


def _cell(run: Resolved, key: str) -> str:
    value: Any = run.values.get(key)
    return spell(value)
