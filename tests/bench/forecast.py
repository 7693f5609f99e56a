"""A backtest of the forecast: python -m tests.bench.forecast [FOLDER or FILE ...].

Each curve is cut after each validation but the last; what the forecast says of the last one is compared with what came.
Curves count equally, however many validations they have. Without arguments: the rows of the bench of verdicts.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import click

from job.verdict.checklist import evaluate
from job.verdict.checklist_spec import Checklist
from job.verdict.forecast import FORECAST, INTERVAL, outlook
from job.verdict.readers.reading import read
from job.verdict.rows import Row, encoding_of
from job.verdict.signs import State

ROWS = Path(__file__).parent / "verdicts" / "rows"
# Fewer validations of a trained model are no curve.
LEAST_POINTS = 3
TAIL = (1 - INTERVAL) / 2
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Outcome:
    """One forecast and what came, in decibels where more is better."""

    curve: str
    bad: bool
    ratio: float
    """The end of the plan over the step of the forecast."""
    inside: bool
    width: float
    errors: dict[str, float]
    """Absolute error of each method."""


def curves(paths: Sequence[Path]) -> Iterator[tuple[str, bool, Curve]]:
    """Every curve of SNR or mel distance in the files: name, whether its run ends BAD, and its points."""
    files = [file for path in paths for file in (sorted(path.glob("*.jsonl")) if path.is_dir() else [path])]
    seen: set[tuple[tuple[int, float], ...]] = set()
    for file in files:
        data = file.read_bytes()
        text = data.decode(encoding_of(data[:4]), errors="replace")
        rows = list(read(text.splitlines(keepends=True)).table.collated())
        bad = evaluate(rows, Checklist.model_validate({"min_steps": 0})).verdict is State.BAD
        for metric in FORECAST:
            curve = _curve(rows, metric)
            # A metric that follows from the other, and copies of one run, would count twice.
            if len(curve) >= LEAST_POINTS and tuple(curve) not in seen:
                seen.add(tuple(curve))
                yield f"{file.stem}:{metric}", bad, curve


def _curve(rows: list[Row], metric: str) -> Curve:
    points = []
    for row in rows:
        value = row.get(metric)
        if row.kind == "validation" and row.step and value is not None and math.isfinite(value):
            if metric == "snr_db":
                points.append((row.step, value))
            elif value > 0:
                points.append((row.step, -20 * math.log10(value)))
    return points


def backtest(name: str, bad: bool, curve: Curve) -> Iterator[Outcome]:
    """Forecasts of the last point of a curve from each of its beginnings."""
    end, came = curve[-1]
    for count in range(LEAST_POINTS - 1, len(curve)):
        known = curve[:count]
        if known[-1][0] >= end:
            continue
        found = outlook(known, end)
        low, high = found.quantile(TAIL), found.quantile(1 - TAIL)
        guesses = {"forecast": found.quantile(0.5), "stays": known[-1][1], "power law": power_law(known, end)}
        errors = {method: abs(guess - came) for method, guess in guesses.items()}
        yield Outcome(name, bad, end / known[-1][0], low <= came <= high, high - low, errors)


def power_law(known: Curve, end: int) -> float:
    """The least squares of y = a - b step^-c, c from a grid; with two points c is 0.5."""
    best = (math.inf, known[-1][1])
    for c in (0.5,) if len(known) < 3 else (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0):
        xs = [(step / known[-1][0]) ** -c for step, _ in known]
        ys = [value for _, value in known]
        mx, my = mean(xs), mean(ys)
        spread = sum((x - mx) ** 2 for x in xs)
        slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
        residual = sum((y - my - slope * (x - mx)) ** 2 for x, y in zip(xs, ys, strict=True))
        best = min(best, (residual, my + slope * ((end / known[-1][0]) ** -c - mx)))
    return best[1]


def summary(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Coverage and median errors; each curve has the same weight."""
    names = sorted({outcome.curve for outcome in outcomes})
    by_curve = [[outcome for outcome in outcomes if outcome.curve == name] for name in names]
    methods = ("forecast", "stays", "power law")
    errors = {method: median([median(o.errors[method] for o in of) for of in by_curve]) for method in methods}
    return {
        "curves": len(names),
        "forecasts": len(outcomes),
        "coverage": mean(mean(o.inside for o in of) for of in by_curve),
        "width": median([median(o.width for o in of) for of in by_curve]),
        **errors,
    }


def table(outcomes: Sequence[Outcome]) -> str:
    """The result as a table of Markdown."""
    groups = {
        "all curves": outcomes,
        "of good runs": [o for o in outcomes if not o.bad],
        "of bad runs": [o for o in outcomes if o.bad],
        "end within 1.5 times the steps so far": [o for o in outcomes if o.ratio <= 1.5],
        "1.5 to 4 times": [o for o in outcomes if 1.5 < o.ratio <= 4],
        "further": [o for o in outcomes if o.ratio > 4],
    }
    lines = [
        "| | curves | forecasts | in the 80% interval | width, dB | median error, dB | stays as it is | power law |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, of in groups.items():
        if of:
            s = summary(of)
            lines.append(
                f"| {name} | {s['curves']:.0f} | {s['forecasts']:.0f} | {s['coverage']:.0%} | {s['width']:.2f} | "
                f"{s['forecast']:.2f} | {s['stays']:.2f} | {s['power law']:.2f} |"
            )
    return "\n".join(lines)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(paths: tuple[Path, ...]) -> None:
    """Print coverage and errors of the forecast over every curve of these files."""
    found = curves(paths or (ROWS,))
    click.echo(table([outcome for curve in found for outcome in backtest(*curve)]))


if __name__ == "__main__":
    main()
