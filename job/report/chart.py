"""Chart of one metric as plotly's JSON: curves over steps, limits, what the verdict saw. Pure: values in, dicts out.

Plotly is imported where a figure is made: it takes a quarter of a second, and only `codecjob report` needs it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
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
    drawn = new_figure()
    for curve in curves:
        _add_curve(drawn, curve, axis)
    _add_marks(drawn, marks)
    for state, bottom, top in zones(shown, axis.low, axis.high):
        drawn.add_hrect(y0=bottom, y1=top, line_width=0, fillcolor=light(f"{state}-ground"))
    for line in shown:
        _add_limit(drawn, line, axis)
    for upright in uprights:
        drawn.add_vline(upright.step, line={"color": light("muted"), "width": 1, "dash": "dot"})
        drawn.add_annotation(text=upright.said, x=upright.step, xanchor="left", y=1, yref="paper", yanchor="bottom")
    end = max(last_step, 1)
    drawn.update_xaxes(title={"text": "step", "standoff": 4}, range=[-0.03 * end, 1.03 * end], tickformat="~s")
    drawn.update_xaxes(dtick=1 if end < MOST_TICKS else None)
    drawn.update_yaxes(range=axis.scaled_range(), title={"text": unit, "standoff": 4}, **axis.ticks())
    return as_json(drawn)


def new_figure() -> Any:
    """An empty `plotly.graph_objects.Figure` in the page's style."""
    import plotly.graph_objects as go

    return go.Figure(layout={"template": _style()})


def as_json(drawn: Any) -> Figure:
    """A finished figure as the page's script takes it."""
    return dict(drawn.to_plotly_json())


@cache
def _style() -> Any:
    """The page's fonts and ink, no background of its own, no legend (the page has one)."""
    import plotly.graph_objects as go

    axis = {
        "gridcolor": light("grid"), "linecolor": light("line"), "zeroline": False, "automargin": True,
        "exponentformat": "e",
    }  # fmt: skip
    font = {"family": "system-ui, sans-serif"}
    layout = {
        "autosize": True,
        "height": 230,
        "margin": {"l": 8, "r": 10, "t": 18, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {**font, "size": 12, "color": light("muted")},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": light("card"), "bordercolor": light("line"), "font": {**font, "color": light("ink")}},
        "xaxis": axis,
        "yaxis": axis,
        "shapedefaults": {"layer": "below"},
        "annotationdefaults": {"showarrow": False, "font": {"color": light("muted"), "size": 11}},
    }
    return go.layout.Template(layout=layout)


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


def _add_curve(drawn: Any, curve: Curve, axis: Axis) -> None:
    points = curve.series.points
    if len(points) > MOST_POINTS:
        parts = stretches(points)
        points = tuple(Point(part.at.step, part.at.epoch, part.middle) for part in parts)
        # The faint ground between the lowest and the highest values around a curve of the middle ones.
        edge = {"x": [p.step for p in points], "mode": "lines", "line": {"width": 0, "color": curve.colour}}
        fill = {"fill": "tonexty", "fillcolor": band(curve.colour)}
        for name, values, more in (
            ("lowest", [part.low for part in parts], {}),
            ("highest", [part.high for part in parts], fill),
        ):
            y = [_short(value) for value in values]
            drawn.add_scatter(name=f"{curve.name}, {name}", y=y, hoverinfo="skip", **edge, **more)
    drawn.add_scatter(
        name=curve.name,
        mode="lines+markers" if curve.main and len(points) <= MOST_MARKERS else "lines",
        line={"color": curve.colour, "width": 2.5 if curve.main else 1.25, "dash": curve.dash},
        marker={"color": curve.colour, "size": 6},
        y=[_short(point.value) for point in points],
        **_hovered("%{y:.4g}", points),
    )
    if curve.series.lost:
        lost = curve.series.lost[:: -(-len(curve.series.lost) // MOST_POINTS)]
        drawn.add_scatter(
            name=f"{curve.name}: NaN or infinite",
            mode="markers",
            marker={"color": light("bad"), "symbol": "x", "size": 9},
            y=[_short(axis.low)] * len(lost),
            cliponaxis=False,
            **_hovered("NaN or infinite", lost),
        )


def _hovered(value: str, points: Sequence[Point]) -> Figure:
    """Steps of a trace, and what is shown where the mouse is over it."""
    return {
        "x": [point.step for point in points],
        "customdata": ["?" if point.epoch is None else str(point.epoch) for point in points],
        "hovertemplate": f"{value}<br>step %{{x:,}}, epoch %{{customdata}}",
    }


def _add_marks(drawn: Any, marks: Sequence[Mark]) -> None:
    for mark in marks:
        if not math.isfinite(mark.value):
            continue
        colour = light(mark.state)
        symbol = "diamond-open" if mark.state == "undecided" else "diamond"
        drawn.add_scatter(
            name="verdict",
            mode="markers",
            x=[mark.step],
            y=[_short(mark.value)],
            marker={"color": colour, "symbol": symbol, "size": 12, "line": {"width": 2, "color": colour}},
            cliponaxis=False,
            hovertemplate="%{meta}",
            meta=f"{mark.state.upper()}: {mark.said}",
        )


def _add_limit(drawn: Any, line: Line, axis: Axis) -> None:
    """Good limits are named at the left and bad ones at the right, on their own side of the line: seldom on a curve."""
    colour = light(line.state)
    width, dash = (1.5, "dash") if line.table else (1, "dot")
    drawn.add_hline(line.value, line={"color": colour, "width": width, "dash": dash})
    drawn.add_annotation(
        text=line.said,
        xref="paper",
        x=0 if line.state == "good" else 1,
        xanchor="left" if line.state == "good" else "right",
        y=axis.annotated(line.value),
        yanchor="bottom" if line.side == "above" else "top",
        font_color=colour,
    )


def _short(value: float) -> float:
    """Six digits are enough for a picture and keep the page small."""
    return float(f"{value:.6g}")
