"""The words of a page: what the template writes where, from facts alone."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from job.record.run import inputs
from job.report import labels, thresholds
from job.report.chart import axis_of
from job.report.gather import Facts
from job.run.seen import AttemptFacts
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row
from job.verdict.signs import Severity, Sign

LONGEST = 300
"""Characters of an event's details."""
MOST_EVENTS = 400
MOST_TABLE_ROWS = 200
HEADLINES = ("loss", "snr_db", "amplitude", "correlation")


@dataclass(frozen=True)
class Tile:
    """One figure at the top of the page."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Gauge:
    """Where a value lies among its limits; all in percent of the gauge's width."""

    at: float
    zones: tuple[tuple[str, float, float], ...]
    """State, begin, width."""


@dataclass(frozen=True)
class SignView:
    """A sign as the page shows it."""

    sign: Sign
    state: str
    """good, bad, undecided or warning."""
    value: str
    gauge: Gauge | None


def tiles(facts: Facts) -> list[Tile]:
    """The figures that a person with a budget looks at first."""
    state, validations = facts.state, facts.validations()
    found = []
    if state:
        found.append(Tile("State", state.state, f"billing {state.billing}"))
    if validations:
        newest = validations[-1]
        of = f" of {state.planned_epochs()}" if state and state.planned_epochs() else ""
        found.append(
            Tile("Epoch", f"{'?' if newest.epoch is None else newest.epoch}{of}", f"step {count(newest.step)}")
        )
        for name in HEADLINES:
            if (value := newest.get(name)) is not None:
                metric = labels.of(name)
                found.append(Tile(metric.title, f"{brief(value)} {metric.unit}".strip(), _since(validations, name)))
    if state:
        if state.forecast:
            low, high = brief(state.forecast.low), brief(state.forecast.high)
            metric = labels.of(state.forecast.metric)
            expected = f"{brief(state.forecast.value)} {metric.unit}".strip()
            found.append(Tile("Expected at the end", expected, f"{metric.title}, 80% between {low} and {high}"))
        cost = state.money.cost.usd
        price = "all attempts" if state.usd_per_hour is None else f"at {usd(state.usd_per_hour)} an hour"
        found.append(Tile("Cost", usd(cost), price))
        if state.money.saved.usd is not None:
            found.append(Tile("Saved", usd(state.money.saved.usd), "by stopping early"))
        elif state.outcome is None and state.money.to_the_end.usd is not None:
            found.append(Tile("To the end", usd(state.money.to_the_end.usd), "at this speed"))
    if where := trained_on(facts):
        found.append(Tile("Trained on", where, f"provider {state.spec.provider}" if state else ""))
    return found


def trained_on(facts: Facts) -> str:
    """The GPU as the claim has it, else the kind of device that the trainer found."""
    if facts.state and facts.state.gpu:
        return facts.state.gpu
    if not facts.start:
        return ""
    ranks, device = facts.start.get("ranks") or 1, facts.start.get("device") or "?"
    return f"{ranks} x {device}" if ranks != 1 else str(device)


def signs(facts: Facts) -> list[SignView]:
    """The evidence, the gravest first."""
    if facts.verdict is None:
        return []
    found = [_sign(sign, facts.checklist) for sign in facts.verdict.signs]
    gravity = ("bad", "undecided", "warning", "good")
    return sorted(found, key=lambda sign: gravity.index(sign.state))


def attempt_ends(attempt: AttemptFacts) -> str:
    """How an attempt ended, in a sentence."""
    if attempt.outcome is None:
        return "no outcome yet" if attempt.claim else "no pod was claimed"
    cause = f" ({attempt.outcome.cause})" if attempt.outcome.cause else ""
    return f"{attempt.outcome.outcome}{cause}: {attempt.outcome.reason} (by {attempt.outcome.by})"


def attempt_cost(facts: Facts, attempt: AttemptFacts) -> str:
    """Cost of an attempt's pod, and its basis; a dash where there was no pod, or what it cost cannot be told."""
    cost = facts.state.costs.get(attempt.number) if facts.state else None
    return "-" if cost is None else f"{usd(cost.usd)} ({cost.basis})"


def rows_table(validations: Sequence[Row]) -> tuple[list[labels.Metric], list[list[str]]]:
    """The validation rows as a table: its metrics, and for each row epoch, step and a cell for each metric."""
    shown = validations[-MOST_TABLE_ROWS:]
    metrics = labels.ordered({name for row in shown for name in (*row.values, *row.stages)})
    lines = []
    for row in shown:
        cells = [number(value) if (value := row.get(metric.name)) is not None else "-" for metric in metrics]
        lines.append([count(row.epoch), count(row.step), *cells])
    return metrics, lines


def spec_text(spec: Mapping[str, Any]) -> str:
    """A configuration as YAML, without its empty keys."""
    return str(yaml.safe_dump(_said(spec), sort_keys=False, allow_unicode=True, width=100))


def event_details(event: dict[str, Any]) -> str:
    """What an event was decided by, cut where it is long."""
    said = "; ".join(f"{name} {_plain(value)}" for name, value in inputs(event).items() if value is not None)
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"


def usd(amount: float | None) -> str:
    """Dollars; a dash where nothing is known. Small sums keep the digits that they have."""
    if amount is None:
        return "-"
    return f"{amount:.4f} USD" if 0 < amount < 0.1 else f"{amount:,.2f} USD"


def number(value: float | None) -> str:
    """A metric with four digits, without an exponent where it can be."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinite" if value > 0 else "-infinite"
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.4g}" if not 100 <= abs(value) < 1e6 else f"{value:,.1f}"


def brief(value: float | None) -> str:
    """A metric with three digits."""
    return number(value) if value is None or not math.isfinite(value) else f"{value:.3g}"


def count(value: int | None) -> str:
    """A whole number with its thousands apart."""
    return "?" if value is None else f"{value:,}"


def moment(at: float | None) -> str:
    """Unix seconds as UTC."""
    return "-" if at is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def _since(validations: Sequence[Row], name: str) -> str:
    first = validations[0].get(name)
    return "" if first is None or len(validations) < 2 else f"began at {brief(first)}"


def _sign(sign: Sign, checklist: Checklist | None) -> SignView:
    state = "warning" if sign.severity is Severity.WARNING else sign.state.value
    return SignView(sign, state, number(sign.value), _gauge(sign, checklist))


def _gauge(sign: Sign, checklist: Checklist | None) -> Gauge | None:
    """Of a sign of the table that has a value; others have no scale of their own."""
    lines = [line for line in thresholds.lines(checklist, sign.sign) if line.table] if checklist else []
    if sign.value is None or not math.isfinite(sign.value) or not lines:
        return None
    axis = axis_of([sign.value], [line.value for line in lines])
    stripes = []
    for state, begin, end in thresholds.zones(lines, axis.low, axis.high):
        left, right = (min(max(100 * axis.share(edge), 0.0), 100.0) for edge in (begin, end))
        stripes.append((str(state), left, right - left))
    return Gauge(100 * axis.share(sign.value), tuple(stripes))


def _said(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {key: said for key, value in part.items() if (said := _said(value)) not in (None, {}, [])}
    return [_said(item) for item in part] if isinstance(part, list) else part


def _plain(value: Any) -> str:
    if isinstance(value, Mapping) and "verdict" in value:
        return str(value["verdict"])  # its evidence stands at the top of the page
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
