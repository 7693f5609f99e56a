"""One metric's chart as plotly's JSON: curves over steps, limits, and what the verdict saw. Pure: values in, dicts out.

The figures are what `plotly.graph_objects.Figure` takes, and a test asks it. To show them takes plotly's script alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from job.report.palette import band, light
from job.report.series import MOST_POINTS, Point, Series, stretches
from job.report.thresholds import Line, zones

Figure = dict[str, Any]

WIDE_RATIO = 20.0
"""Beyond this ratio of positive values an axis is logarithmic."""
NEAR = 0.5
"""A cause's limit this share of the curve's height away is still drawn."""
MOST_MARKERS = 60
MOST_TICKS = 6


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    name: str
    series: Series
    colour: str
    dash: str = "solid"
    main: bool = True
    """False for a thin line behind the others."""


@dataclass(frozen=True)
class Mark:
    """A spot that a sign of the verdict has seen."""

    step: int
    value: float
    state: str
    said: str


@dataclass(frozen=True)
class Upright:
    """A vertical line at a step, such as the begin of an attempt."""

    step: int
    said: str


@dataclass(frozen=True)
class Axis:
    """The part of the value axis that is shown."""

    low: float
    high: float
    log: bool

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the bottom, 1 at the top."""
        low, high, at = (self._scaled(number) for number in (self.low, self.high, value))
        return (at - low) / (high - low)

    def scaled_range(self) -> list[float]:
        """The range as plotly takes it: of a logarithmic axis the exponents."""
        return [_short(self._scaled(self.low)), _short(self._scaled(self.high))]

    def annotated(self, value: float) -> float:
        """A place on the axis as plotly's annotations take it."""
        return self._scaled(value)

    def ticks(self) -> Figure:
        """Of a logarithmic axis ticks at 1, 2, 5, 10 and so on, or of a longer one at whole powers; no bare 2 and 5."""
        if not self.log:
            return {"type": "linear"}
        low, high = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        found = [digit * 10.0**power for power in range(low, high + 1) for digit in (1, 2, 5)]
        found = [tick for tick in found if self.low <= tick <= self.high]
        if len(found) > MOST_TICKS:
            powers = range(math.ceil(math.log10(self.low)), high)
            found = [10.0**power for power in powers[:: -(-len(powers) // MOST_TICKS)]]
        return {"type": "log", "tickvals": found, "ticktext": [f"{tick:g}" for tick in found]}

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value


def figure(
    curves: Sequence[Curve],
    lines: Sequence[Line] = (),
    marks: Sequence[Mark] = (),
    uprights: Sequence[Upright] = (),
    unit: str = "",
    log: bool = False,
    last_step: int = 0,
) -> Figure:
    """A chart of some curves, in the light colours; with ``log``, of a wide range of values on a logarithmic axis.

    The axis of steps ends a little behind ``last_step``, so that all charts of a page have the same.
    """
    values = [point.value for curve in curves for point in curve.series.points]
    axis = axis_of(values, [line.value for line in lines if line.table], log)
    shown = [line for line in lines if line.table or -NEAR <= axis.share(line.value) <= 1 + NEAR]
    if not all(line.table for line in shown):
        axis = axis_of(values, [line.value for line in shown], log)
    traces = [trace for curve in curves for trace in _traces(curve, axis)]
    layout = {
        "xaxis": _steps(last_step),
        "yaxis": plain_axis(range=axis.scaled_range(), title={"text": unit, "standoff": 4}, **axis.ticks()),
        "shapes": [*_grounds(shown, axis), *map(_rule, shown), *map(_pole, uprights)],
        "annotations": [*(_label(line, axis) for line in shown), *map(_flag, uprights)],
    }
    return dressed([*traces, *_spots(marks)], layout)


def plain_axis(**more: Any) -> Figure:
    """An axis in the page's manner."""
    return {
        "gridcolor": light("grid"),
        "linecolor": light("line"),
        "zeroline": False,
        "automargin": True,
        "exponentformat": "e",
        **more,
    }


def dressed(traces: list[Figure], layout: Figure) -> Figure:
    """A figure in the page's manner: its fonts and ink, no ground of its own, no legend (the page has one)."""
    common = {
        "autosize": True,
        "height": 230,
        "margin": {"l": 8, "r": 10, "t": 18, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": light("muted")},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": light("card"),
            "bordercolor": light("line"),
            "font": {"color": light("ink"), "family": "system-ui, sans-serif"},
        },
    }
    return {"data": traces, "layout": {**common, **layout}}


def axis_of(values: Iterable[float], limits: Sequence[float], log: bool = False) -> Axis:
    """An axis that shows all values and limits with some air; with ``log`` logarithmic where they lie far apart."""
    shown = [*values, *limits]
    low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
    if log and low > 0 and high / low >= WIDE_RATIO:
        air = (high / low) ** 0.08
        return Axis(low / air, high * air, log=True)
    if low == high == 0:
        return Axis(0.0, 1.0, log=False)
    # Around a flat line the air is part of its level.
    spread = high - low or abs(high) or 1.0
    # What is never negative does not look as if it were.
    bottom = 0.0 if low == 0 < high else low - spread * 0.08
    return Axis(bottom, high + spread * 0.08, log=False)


def _steps(last: int) -> Figure:
    end = max(last, 1)
    whole = {"dtick": 1} if end < MOST_TICKS else {}
    return plain_axis(title={"text": "step", "standoff": 4}, range=[-0.03 * end, 1.03 * end], tickformat="~s", **whole)


def _traces(curve: Curve, axis: Axis) -> list[Figure]:
    points = curve.series.points
    width = 2.5 if curve.main else 1.25
    found: list[Figure] = []
    if len(points) > MOST_POINTS:
        parts = stretches(points)
        points = tuple(Point(part.at.step, part.at.epoch, part.middle) for part in parts)
        found = _band(
            curve, [part.at.step for part in parts], [part.low for part in parts], [part.high for part in parts]
        )
    found.append(
        {
            "type": "scatter",
            "name": curve.name,
            "mode": "lines+markers" if curve.main and len(points) <= MOST_MARKERS else "lines",
            "x": [point.step for point in points],
            "y": [_short(point.value) for point in points],
            "customdata": [_epoch(point) for point in points],
            "line": {"color": curve.colour, "width": width, "dash": curve.dash},
            "marker": {"color": curve.colour, "size": 6},
            "hovertemplate": "%{y:.4g}<br>step %{x:,}, epoch %{customdata}",
        }
    )
    if curve.series.lost:
        lost = curve.series.lost[:: -(-len(curve.series.lost) // MOST_POINTS)]
        found.append(
            {
                "type": "scatter",
                "name": f"{curve.name}: NaN or infinite",
                "mode": "markers",
                "x": [point.step for point in lost],
                "y": [_short(axis.low)] * len(lost),
                "customdata": [_epoch(point) for point in lost],
                "marker": {"color": light("bad"), "symbol": "x", "size": 9},
                "cliponaxis": False,
                "hovertemplate": "NaN or infinite<br>step %{x:,}, epoch %{customdata}",
            }
        )
    return found


def _band(curve: Curve, steps: list[int], low: list[float], high: list[float]) -> list[Figure]:
    """The faint ground between the lowest and the highest values around a curve of the middle ones."""
    edge = {
        "type": "scatter",
        "mode": "lines",
        "x": steps,
        "line": {"width": 0, "color": curve.colour},
        "hoverinfo": "skip",
    }
    fill = {"fill": "tonexty", "fillcolor": band(curve.colour)}
    return [
        {**edge, "name": f"{curve.name}, lowest", "y": [_short(value) for value in low]},
        {**edge, "name": f"{curve.name}, highest", "y": [_short(value) for value in high], **fill},
    ]


def _spots(marks: Sequence[Mark]) -> list[Figure]:
    return [
        {
            "type": "scatter",
            "name": "verdict",
            "mode": "markers",
            "x": [mark.step],
            "y": [_short(mark.value)],
            "marker": {
                "color": light(mark.state),
                "symbol": "diamond-open" if mark.state == "undecided" else "diamond",
                "size": 12,
                "line": {"width": 2, "color": light(mark.state)},
            },
            "cliponaxis": False,
            "hovertemplate": "%{meta}",
            "meta": f"{mark.state.upper()}: {mark.said}",
        }
        for mark in marks
        if math.isfinite(mark.value)
    ]


def _grounds(lines: Sequence[Line], axis: Axis) -> list[Figure]:
    """Faint stripes where the table finds a value good or bad."""
    return [
        {
            "type": "rect",
            "layer": "below",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": bottom,
            "y1": top,
            "line": {"width": 0},
            "fillcolor": light(f"{state}-ground"),
        }
        for state, bottom, top in zones(lines, axis.low, axis.high)
    ]


def _rule(line: Line) -> Figure:
    return {
        "type": "line",
        "layer": "below",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": line.value,
        "y1": line.value,
        "line": {
            "color": light(line.state),
            "width": 1.5 if line.table else 1,
            "dash": "dash" if line.table else "dot",
        },
    }


def _label(line: Line, axis: Axis) -> Figure:
    """Good limits are named at the left and bad ones at the right, on their own side of the line: seldom on a curve."""
    left = line.state == "good"
    return {
        "text": line.said,
        "showarrow": False,
        "xref": "paper",
        "x": 0 if left else 1,
        "xanchor": "left" if left else "right",
        "y": axis.annotated(line.value),
        "yanchor": "bottom" if line.side == "above" else "top",
        "font": {"color": light(line.state), "size": 11},
    }


def _pole(upright: Upright) -> Figure:
    return {
        "type": "line",
        "layer": "below",
        "yref": "paper",
        "x0": upright.step,
        "x1": upright.step,
        "y0": 0,
        "y1": 1,
        "line": {"color": light("muted"), "width": 1, "dash": "dot"},
    }


def _flag(upright: Upright) -> Figure:
    return {
        "text": upright.said,
        "showarrow": False,
        "x": upright.step,
        "xanchor": "left",
        "yref": "paper",
        "y": 1,
        "yanchor": "bottom",
        "font": {"color": light("muted"), "size": 11},
    }


def _epoch(point: Point) -> str:
    return "?" if point.epoch is None else str(point.epoch)


def _short(value: float) -> float:
    """Six digits are enough for a picture and keep the page small."""
    return float(f"{value:.6g}")
