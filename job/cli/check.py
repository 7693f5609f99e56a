"""codecjob check."""

from pathlib import Path

import click

from job.cli.options import json_option
from job.cli.output import BAD, GOOD, UNDECIDED, print_json
from job.cli.verdict_text import print_verdict
from job.errors import UsageError
from job.spec.model import load_spec
from job.verdict.checklist import evaluate
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import parse
from job.verdict.signs import State

EXIT_CODES = {State.GOOD: GOOD, State.UNDECIDED: UNDECIDED, State.BAD: BAD}


@click.command("check")
@click.argument("metrics", metavar="METRICS.jsonl", type=click.Path(path_type=Path))
@click.option("--spec", type=click.Path(path_type=Path), help="Judge by this spec's checklist, not the default one.")
@json_option
def command(metrics: Path, spec: Path | None, as_json: bool) -> None:
    """Judge any metrics file, offline. Rows may lack fields; what is missing withholds GOOD.

    Exit code: 0 good, 10 undecided, 20 bad, 2 the file cannot be read.

    \b
    Examples:
      codecjob check checkpoints/metrics.jsonl
      codecjob check metrics.jsonl --spec job.yaml --json
    """
    checklist = load_spec(spec).checklist if spec else Checklist.model_validate({})
    try:
        data = metrics.read_bytes()
    except OSError as error:
        raise UsageError(f"{metrics}: cannot be read: {error.strerror}") from error
    log = parse(data)
    if data.strip() and not log.rows:
        raise UsageError(f"{metrics}: is not a metrics file: give one JSON object a line, as the trainer writes them")
    verdict = evaluate(log.rows, checklist)
    if as_json:
        print_json(verdict.as_dict())
    else:
        print_verdict(verdict)
    if log.unreadable:
        click.echo(f"{metrics}: left out {log.unreadable} lines that are not JSON objects", err=True)
    raise SystemExit(EXIT_CODES[verdict.verdict])
