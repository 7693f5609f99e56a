"""The charts of one run: every metric of its rows, with the limits of its checklist and the evidence of its verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from job.report import labels, series, thresholds
from job.report.chart import Curve, Figure, Mark, Upright, figure
from job.report.palette import light
from job.report.series import Series
from job.report.thresholds import Line
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row
from job.verdict.signs import Severity, Sign, Verdict

TRACKS = ("validation", "train")


@dataclass(frozen=True)
class Chart:
    """A figure with the words beside it; ``caption`` says in a sentence what the picture shows."""

    metric: labels.Metric
    caption: str
    figure: Figure
    judged: bool
    """Whether the checklist's table reads this metric."""


def charts(
    rows: Sequence[Row], hidden: Sequence[Row], checklist: Checklist | None, verdict: Verdict | None
) -> list[Chart]:
    """A chart for each metric in the rows; the table's metrics stand first in their group.

    ``rows`` count, in the order of training; ``hidden`` were trained again by a later attempt and are drawn faintly.
    """
    judged = set(checklist.metrics()) if checklist else set()
    begins = _attempts(rows)
    marks = _marks(verdict.signs if verdict else (), rows)
    last = max((row.step or 0 for row in (*rows, *hidden)), default=0)
    found = []
    for metric in labels.ordered(names(rows)):
        tracks = {kind: series.of((row for row in rows if row.kind == kind), metric.name) for kind in TRACKS}
        lines = thresholds.lines(checklist, metric.name) if checklist else []
        uprights = list(begins)
        start = thresholds.decides_from(checklist, rows) if checklist and metric.name in judged else None
        if start is not None:
            uprights.append(Upright(start, "decides"))
        drawn = figure(
            [*_again(hidden, metric.name), *_curves(tracks)],
            lines,
            marks.get(metric.name, ()),
            uprights,
            metric.unit,
            metric.log,
            last,
        )
        found.append(Chart(metric, caption(metric, tracks, lines), drawn, metric.name in judged))
    return sorted(found, key=lambda chart: not chart.judged)


def names(rows: Iterable[Row]) -> set[str]:
    """Every metric that some row of validation or training has."""
    return {name for row in rows if row.kind in TRACKS for name in (*row.values, *row.stages)} - labels.NO_METRICS


def caption(metric: labels.Metric, tracks: dict[str, Series], lines: Sequence[Line]) -> str:
    """What a chart shows, for those who cannot see it."""
    said = [f"{metric.title} over steps"]
    for kind, track in tracks.items():
        if not track:
            continue
        values = [point.value for point in track.points]
        part = f"{len(values)} {kind} rows"
        if values:
            unit = f" {metric.unit}" if metric.unit else ""
            part += f" between {min(values):.4g} and {max(values):.4g}, the newest {values[-1]:.4g}{unit}"
        if track.lost:
            part += f", {len(track.lost)} NaN or infinite"
        said.append(part)
    said += [line.said for line in lines if line.table]
    return "; ".join(said)


def _curves(tracks: dict[str, Series]) -> list[Curve]:
    """The validation above the training, where both have the metric; the only one is the main one."""
    both = all(tracks.values())
    return [
        Curve(kind, tracks[kind], light(kind), main=kind == "validation" or not both)
        for kind in reversed(TRACKS)
        if tracks[kind]
    ]


def _again(hidden: Sequence[Row], metric: str) -> list[Curve]:
    found = []
    for attempt in sorted({row.attempt for row in hidden}):
        for kind in TRACKS:
            lost = series.of((row for row in hidden if (row.attempt, row.kind) == (attempt, kind)), metric)
            if lost:
                name = f"{kind}, trained again after process {attempt}"
                found.append(Curve(name, lost, light("train"), dash="dot", main=False))
    return found


def _attempts(rows: Sequence[Row]) -> list[Upright]:
    """Where the training went on in a new process."""
    starts = [row for row in rows if row.kind == "start"]
    return [Upright(row.step or 0, "resumed") for _, row in pairwise(starts)]


def _marks(signs: Iterable[Sign], rows: Sequence[Row]) -> dict[str, list[Mark]]:
    """Metric -> the spots of signs in its chart: a row of the step that a sign names has the very value that it saw."""
    found: dict[str, list[Mark]] = {}
    for sign in signs:
        if sign.value is None or sign.step is None:
            continue
        named = [row for row in rows if row.step == sign.step]
        seen_in = {name for row in named for name in (*row.values, *row.stages) if row.get(name) == sign.value}
        home = sign.sign if sign.sign in seen_in else min(seen_in - labels.NO_METRICS, default=None)
        if home is not None:
            state = "undecided" if sign.severity is Severity.WARNING else sign.state.value
            found.setdefault(home, []).append(Mark(sign.step, sign.value, state, sign.message))
    return found
