"""codecjob pull."""

import shlex
from pathlib import Path

import click

from job.cli.options import json_option, run_argument, store_option
from job.cli.output import print_json
from job.errors import UsageError
from job.record.download import pull
from job.record.run_index import locate


@click.command("pull")
@run_argument
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--best", is_flag=True, help="The checkpoint with the highest SNR instead of the newest.")
@click.option("--step", type=int, metavar="N", help="The checkpoint of this step.")
@store_option
@json_option
def command(run: str, folder: Path, best: bool, step: int | None, store: str | None, as_json: bool) -> None:
    """Fetch what a run has made: newest checkpoint (verified), decoded samples, rows, log, verdict.

    The same command again brings what is new, and finishes what was interrupted.

    \b
    Examples:
      codecjob pull @last out/
      codecjob pull @last out/ --best
    """
    if best and step is not None:
        raise UsageError("--best and --step name two checkpoints: give one of them")
    found = locate(run, store)
    pulled = pull(found, folder, "best" if best else "newest" if step is None else step)
    if as_json:
        print_json(
            {
                "run": found.run_id,
                "folder": str(pulled.folder),
                "checkpoint": str(pulled.checkpoint) if pulled.checkpoint else None,
                "samples": pulled.samples,
                "skipped": list(pulled.skipped),
                "wandb": [str(path) for path in pulled.wandb],
            }
        )
        return
    for problem in pulled.skipped:
        click.echo(f"skipped a broken checkpoint: {problem}", err=True)
    click.echo(f"checkpoint: {pulled.checkpoint or 'none yet'}")
    click.echo(f"{pulled.samples} samples in {folder / 'samples'}, rows in {folder / 'metrics.jsonl'}")
    if pulled.wandb:
        click.echo(f"kept offline by wandb: wandb sync {shlex.quote(str(folder))}/wandb/offline-run-*")
