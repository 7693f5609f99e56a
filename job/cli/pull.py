"""codecjob pull."""

from pathlib import Path

import click

from job.cli.options import json_option, run_argument, store_option
from job.cli.output import print_json
from job.known_runs import locate
from job.pull import pull


@click.command("pull")
@run_argument
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@store_option
@json_option
def command(run: str, folder: Path, store: str | None, as_json: bool) -> None:
    """Fetch what a run has made: newest checkpoint (verified), decoded samples, rows, log, verdict.

    \b
    Example:
      codecjob pull @last out/
    """
    found = locate(run, store)
    pulled = pull(found, folder)
    if as_json:
        print_json(
            {
                "run": found.run_id,
                "folder": str(pulled.folder),
                "checkpoint": str(pulled.checkpoint) if pulled.checkpoint else None,
                "samples": pulled.samples,
                "skipped": list(pulled.skipped),
            }
        )
        return
    for problem in pulled.skipped:
        click.echo(f"skipped a broken checkpoint: {problem}", err=True)
    click.echo(f"checkpoint: {pulled.checkpoint or 'none yet'}")
    click.echo(f"{pulled.samples} samples in {folder / 'samples'}, rows in {folder / 'metrics.jsonl'}")
