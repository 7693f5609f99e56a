"""codecjob check."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from job.cli.options import json_option
from job.cli.output import BAD, GOOD, UNDECIDED, print_json
from job.cli.verdict_text import print_verdict
from job.errors import UsageError, did_you_mean
from job.spec.load import check_spec, load_spec
from job.verdict.checklist import Judge
from job.verdict.checklist_spec import Checklist
from job.verdict.readers.columns import FIELDS
from job.verdict.readers.reading import Reading, read
from job.verdict.readers.recipe import fitting
from job.verdict.readers.records import UnreadableFileError
from job.verdict.readers.withhold import withhold_good
from job.verdict.rows import encoding_of
from job.verdict.signs import State

EXIT_CODES = {State.GOOD: GOOD, State.UNDECIDED: UNDECIDED, State.BAD: BAD}
PULLED = "run.json"
SHOWN_NAMES = 12


@click.command("check")
@click.argument("metrics", metavar="METRICS", type=click.Path(path_type=Path))
@click.option("--spec", type=click.Path(path_type=Path), help="Judge by this spec's checklist, not the default one.")
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="NAME=COLUMN",
    help="Read a column as one of our metrics, such as snr_db=val/my_snr; may be given again.",
)
@json_option
def command(metrics: Path, spec: Path | None, maps: tuple[str, ...], as_json: bool) -> None:
    """Judge any metrics file, offline. Rows may lack fields; what is missing withholds GOOD.

    Reads metrics.jsonl, Lightning's metrics.csv, Hugging Face's trainer_state.json, exports of W&B (CSV, JSON lines)
    and the lines that a trainer prints. Says what it recognised and what it left out. Beside the run.json of a pulled
    run that run's own checklist is used.

    Exit code: 0 good, 10 undecided, 20 bad, 2 the file cannot be read.

    \b
    Examples:
      codecjob check checkpoints/metrics.jsonl
      codecjob check metrics.jsonl --spec job.yaml --json
      codecjob check metrics.csv --map snr_db=val/my_snr
    """
    mapped = _mapped(maps)
    checklist, source = _checklist(metrics, spec)
    reading = _read(metrics, mapped)
    why = ""
    if source != PULLED:
        checklist, why = fitting(checklist, reading.table)
    if reading.count("validation") and not _has_steps(reading):
        checklist = checklist.model_copy(update={"min_steps": 0})
        reading.notes.append("no row says its step: min_steps is left out, so the table decides by epochs alone")
    judge = Judge(checklist)
    for row in reading.table.collated():
        judge.see(row)
    verdict = withhold_good(judge.verdict(), reading.unreadable_count, reading.unreadable)
    judged_by = {"recipe": checklist.recipe, "checklist": source, "why": why}
    if as_json:
        print_json({**verdict.as_dict(), "reading": _document(reading), "judged_by": judged_by})
    else:
        print_verdict(verdict)
        click.echo("\n".join(_said(metrics, reading, judged_by)))
    raise SystemExit(EXIT_CODES[verdict.verdict])


def _mapped(maps: tuple[str, ...]) -> dict[str, str]:
    """Column -> our name."""
    mapped = {}
    for given in maps:
        ours, equals, column = given.partition("=")
        if not equals or not column:
            raise UsageError(f"--map {given}: give NAME=COLUMN, such as snr_db=val/my_snr")
        if ours not in FIELDS:
            known = ", ".join(FIELDS)
            raise UsageError(f"--map {given}: unknown metric {ours}{did_you_mean(ours, FIELDS)}; known: {known}")
        mapped[column] = ours
    return mapped


def _checklist(metrics: Path, spec: Path | None) -> tuple[Checklist, str]:
    """The checklist to judge by, and where it comes from."""
    if spec:
        return load_spec(spec).checklist, str(spec)
    beside = metrics.parent / PULLED
    try:
        document: Any = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        document = None
    # Another tool's run.json is not that of `codecjob pull`.
    if isinstance(document, dict) and "run" in document and isinstance(document.get("spec"), dict):
        return check_spec(document["spec"], str(beside)).checklist, PULLED
    return Checklist.model_validate({}), "default"


def _read(metrics: Path, mapped: dict[str, str]) -> Reading:
    try:
        with _opened(metrics) as lines:
            reading = read(lines, mapped)
    except OSError as error:
        raise UsageError(f"{metrics}: cannot be read: {error.strerror}") from error
    except UnreadableFileError as error:
        raise UsageError(f"{metrics}: {error}") from None
    if not len(reading.table) and metrics.stat().st_size:
        raise UsageError(_not_metrics(metrics, reading))
    for column, ours in mapped.items():
        if column not in reading.columns:
            has = ", ".join(sorted(reading.columns)[:SHOWN_NAMES])
            raise UsageError(f"--map {ours}={column}: {metrics} has no such column; it has: {has}")
    return reading


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    with path.open("rb") as raw:
        encoding = encoding_of(raw.read(4))
    with path.open(encoding=encoding, errors="replace") as lines:
        yield lines


def _not_metrics(metrics: Path, reading: Reading) -> str:
    if reading.left_out:
        names = ", ".join(list(reading.left_out)[:SHOWN_NAMES])
        return f"{metrics}: none of its columns is a known metric ({names}): say which is which with --map snr_db=NAME"
    return (
        f"{metrics}: is not a metrics file: give JSON lines, a CSV with a header, trainer_state.json or printed lines"
    )


def _has_steps(reading: Reading) -> bool:
    return any("step" in reading.table.names(kind) for kind in ("train", "validation"))


def _document(reading: Reading) -> dict[str, Any]:
    return {
        "format": reading.form,
        "training_rows": reading.count("train"),
        "validation_rows": reading.count("validation"),
        "recognised": reading.recognised,
        "left_out": list(reading.left_out),
        "unreadable_lines": reading.unreadable_count,
        "notes": reading.notes,
    }


def _said(metrics: Path, reading: Reading, judged_by: dict[str, str]) -> Iterator[str]:
    """What was read, by lines."""
    counts = f"{reading.count('train')} training rows, {reading.count('validation')} validation rows"
    yield f"read {metrics} as {reading.form}: {counts}"
    if reading.recognised:
        yield f"recognised: {_some([f'{name} as {ours}' for name, ours in reading.recognised.items()])}"
    if reading.left_out:
        yield f"left out: {_some(list(reading.left_out))} (read one with --map NAME=COLUMN)"
    for note in reading.notes:
        yield f"note: {note}"
    why = f" ({judged_by['why']})" if judged_by["why"] else ""
    yield f"judged by: recipe {judged_by['recipe']}{why}, checklist: {judged_by['checklist']}"


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + rest
