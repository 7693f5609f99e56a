"""A forecast of a run's quality at the end of its plan, from the validations so far. It advises and never acts.

The curve is fitted by several families of curves at once: powers of the step, its logarithm, exponentials, and no
change at all. Each is a Bayesian linear regression with two coefficients, and the families are weighted by their
evidence. How wide the interval is was measured, not assumed: docs/verdicts.md has the backtest.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from job.verdict.checklist_spec import LOWER_IS_BETTER, Checklist
from job.verdict.pace import Pace
from job.verdict.rows import Row

# Metrics that are forecast.
FORECAST = ("snr_db", "mel_distance")
# A curve of many validations is thinned to this many points.
MOST_POINTS = 60
# Share of the outcomes that the interval is to hold.
INTERVAL = 0.80

# The constants below were found by a random search for the smallest interval score and error over the curves of
# docs/verdicts.md, which also has what a search on one half of the curves gives on the other.
# Noise of one validation, in dB, and how many points the assumption is worth.
NOISE_DB, NOISE_POINTS = 0.2, 6.5
# What a coefficient may be before any row is seen: decibels gained per e-fold of training, and its spread.
USUAL_GAIN_DB, GAIN_SPREAD_DB = 0.5, 3.5
# What no family foresees (a decaying rate, a collapse, another phase): spread per e-fold of training still to come.
UNFORESEEN_DB = 0.52
# Families that fit by chance are too sure of themselves: their spread is multiplied by this.
WIDER = 1.86
# Later validations say more: the weight of a point is (step / last step) to this power.
RECENT = 2.0

# Shapes of a curve over u = step / last step, each with a slope of one decibel per e-fold at u = 1.
SHAPES: tuple[Callable[[float], float], ...] = (
    math.log,
    lambda u: (1 - u**-0.25) / 0.25,
    lambda u: (1 - u**-0.5) / 0.5,
    lambda u: 1 - 1 / u,
    lambda u: (1 - u**-2.0) / 2.0,
    lambda u: 1 - math.exp(1 - u),
    lambda u: (1 - math.exp(3 * (1 - u))) / 3,
    lambda u: 0.0,
)


@dataclass(frozen=True)
class Forecast:
    """What the curve so far says of the end of the plan."""

    metric: str
    step: int
    """The end of the plan."""
    value: float
    """The median of what is expected there."""
    low: float
    high: float
    """80% of the outcomes lie between these."""
    good: float | None
    """The checklist's good limit of the metric; None where it has none."""
    chance: float | None
    """Probability that the end is beyond the good limit."""
    good_step: int | None
    """The step at which the median crosses the good limit; None where it does not within the plan, or has already."""
    is_good: bool
    """Whether the newest validation is beyond the limit."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Price:
    """What it takes to reach a step from where the run is."""

    seconds: float | None
    usd: float | None


NO_PRICE = Price(None, None)


def forecast(rows: Iterable[Row], checklist: Checklist, planned_steps: int | None = None) -> Forecast | None:
    """Return what to expect of the improvement metric at the end of the plan; None where nothing can be said.

    Args:
        rows: the current rows in the order of training, as `rows.collate` returns them.
        checklist: names the metric (SNR, or mel distance under `perceptual`) and its good limit.
        planned_steps: the end of the plan, where the start row does not say it.
    """
    metric = checklist.improvement.metric if checklist.improvement else None
    if metric not in FORECAST:
        return None
    points: list[tuple[int, float]] = []
    for row in rows:
        if row.kind == "start":
            planned_steps = int(row.get("planned_steps") or 0) or planned_steps
        value = row.get(metric) if row.kind == "validation" else None
        if value is not None and row.step and math.isfinite(value):
            points.append((row.step, value))
    if planned_steps is None or not points or points[-1][0] >= planned_steps:
        return None
    if metric == "mel_distance" and any(value <= 0 for _, value in points):
        return None
    band = checklist.signs.get(metric)
    limit = (band.good_below if metric in LOWER_IS_BETTER else band.good_above) if band else None
    return _of(metric, points, planned_steps, limit)


def price_of(found: Forecast, pace: Pace, usd_per_hour: float | None) -> Price:
    """Return the time (seconds) and the money (USD) from now to the step at which the run is likely to be good.

    Where that is not within the plan, or has passed, both are None.
    """
    if found.good_step is None or pace.step is None or pace.seconds_per_step is None:
        return NO_PRICE
    seconds = max(found.good_step - pace.step, 0) * pace.seconds_per_step
    return Price(seconds, None if usd_per_hour is None else seconds * usd_per_hour / 3600)


@dataclass(frozen=True)
class Outlook:
    """A mixture of normal distributions: what is expected at a step, in decibels where more is better."""

    parts: tuple[tuple[float, float, float], ...]
    """Weight, mean and standard deviation."""

    def below(self, value: float) -> float:
        """Probability of less than a value."""
        return sum(weight * _normal_below((value - mean) / spread) for weight, mean, spread in self.parts)

    def quantile(self, share: float) -> float:
        """The value that this share of the outcomes lies below."""
        low = min(mean - 9 * spread for _, mean, spread in self.parts)
        high = max(mean + 9 * spread for _, mean, spread in self.parts)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.below(middle) < share else (low, middle)
        return (low + high) / 2


def outlook(points: Sequence[tuple[int, float]], step: int) -> Outlook:
    """Return what to expect at a later step of a curve in decibels where more is better."""
    last = points[-1][0]
    thin = _thinned(points)
    u = step / last
    unforeseen = UNFORESEEN_DB * math.log(u)
    parts = []
    for shape in SHAPES:
        evidence, mean, spread = _regression([(at / last, value) for at, value in thin], shape, u)
        parts.append((evidence, mean, math.hypot(WIDER * spread, unforeseen)))
    best = max(evidence for evidence, _, _ in parts)
    weights = [math.exp(evidence - best) for evidence, _, _ in parts]
    total = sum(weights)
    return Outlook(tuple((w / total, mean, spread) for w, (_, mean, spread) in zip(weights, parts, strict=True)))


def _of(metric: str, points: list[tuple[int, float]], end: int, limit: float | None) -> Forecast:
    lower = metric in LOWER_IS_BETTER
    curve = [(step, _decibels(value) if lower else value) for step, value in points]
    at_end = outlook(curve, end)
    tail = (1 - INTERVAL) / 2
    quantiles = [at_end.quantile(share) for share in (tail, 0.5, 1 - tail)]
    low, value, high = sorted(_of_decibels(q) if lower else q for q in quantiles)
    goal = None if limit is None else _decibels(limit) if lower else limit
    is_good = goal is not None and curve[-1][1] > goal
    return Forecast(
        metric=metric,
        step=end,
        value=value,
        low=low,
        high=high,
        good=limit,
        chance=None if goal is None else 1 - at_end.below(goal),
        good_step=None if goal is None or is_good else _crossing(curve, end, goal),
        is_good=is_good,
    )


def _crossing(curve: Sequence[tuple[int, float]], end: int, goal: float) -> int | None:
    """The first step at which the median is beyond the goal."""
    low, high = curve[-1][0], end
    if outlook(curve, end).quantile(0.5) <= goal:
        return None
    while high - low > max(1, (end - curve[-1][0]) // 1000):
        middle = (low + high) // 2
        low, high = (low, middle) if outlook(curve, middle).quantile(0.5) > goal else (middle, high)
    return high


def _regression(
    points: Sequence[tuple[float, float]], shape: Callable[[float], float], u: float
) -> tuple[float, float, float]:
    """Log evidence of a shape, and mean and spread of a new point at ``u``.

    y = a + b shape(u) with a flat prior near the last point and a normal one for b; the noise is a weighted average of
    the residuals and what is usual. Bishop, Pattern Recognition and Machine Learning, section 3.5.
    """
    centre = points[-1][1]
    xs = [shape(at) for at, _ in points]
    ys = [value - centre for _, value in points]
    ws = [at**RECENT for at, _ in points]
    flat = shape(math.e) == 0.0
    pa = 1 / 100.0  # 10 dB around the last point
    pb, b0 = 1 / GAIN_SPREAD_DB**2, USUAL_GAIN_DB
    noise = NOISE_DB**2
    a = b = 0.0
    det = aa = ab = bb = 1.0
    for _ in range(4):
        aa = sum(ws) / noise + pa
        ab = 0.0 if flat else sum(w * x for w, x in zip(ws, xs, strict=True)) / noise
        bb = 1.0 if flat else sum(w * x * x for w, x in zip(ws, xs, strict=True)) / noise + pb
        ya = sum(w * y for w, y in zip(ws, ys, strict=True)) / noise
        yb = 0.0 if flat else sum(w * x * y for w, x, y in zip(ws, xs, ys, strict=True)) / noise + pb * b0
        det = aa * bb - ab * ab
        a, b = (bb * ya - ab * yb) / det, (aa * yb - ab * ya) / det
        residual = sum(w * (y - a - b * x) ** 2 for w, x, y in zip(ws, xs, ys, strict=True))
        noise = (residual + NOISE_POINTS * NOISE_DB**2) / (sum(ws) + NOISE_POINTS)
    misfit = sum(w * (y - a - b * x) ** 2 for w, x, y in zip(ws, xs, ys, strict=True)) / noise
    misfit += 0.0 if flat else pb * (b - b0) ** 2
    evidence = -0.5 * (misfit + sum(ws) * math.log(noise) + math.log(det) - (0.0 if flat else math.log(pb)))
    x = shape(u)
    variance = (bb - 2 * ab * x + aa * x * x) / det if not flat else 1 / aa
    return evidence, centre + a + b * x, math.sqrt(variance + noise)


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The medians of at most `MOST_POINTS` stretches of equal length."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = math.ceil(len(points) / MOST_POINTS)
    # From the end, so that the newest stretch is whole.
    stretches = [points[max(end - size, 0) : end] for end in range(len(points), 0, -size)]
    thin = [(round(median(step for step, _ in part)), median(value for _, value in part)) for part in stretches]
    return [*reversed(thin[1:]), (points[-1][0], thin[0][1])]


def _normal_below(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _decibels(distance: float) -> float:
    """A distance as decibels where more is better, so that all curves have one scale."""
    return -20 * math.log10(distance)


def _of_decibels(value: float) -> float:
    return math.exp(-value * math.log(10) / 20)
