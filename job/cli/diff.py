"""codecjob diff."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from job import dataset
from job.cli.complete import run_names_or_files
from job.cli.options import json_option, store_option
from job.cli.output import print_json
from job.record.resolved_settings import Resolved, differences, of_run, of_spec, spell
from job.record.run_index import locate
from job.spec.load import load_spec
from job.spec.trainer_plan import ask_trainer

SPEC_SUFFIXES = (".yaml", ".yml")


@click.command("diff")
@click.argument("left", metavar="RUN|SPEC", shell_complete=run_names_or_files)
@click.argument("right", metavar="RUN|SPEC", shell_complete=run_names_or_files)
@store_option
@json_option
def command(left: str, right: str, store: str | None, as_json: bool) -> None:
    """Show what differs between two runs, or between a run and a spec: settings as the trainer resolved them, and data.

    What ends in .yaml or .yml is a spec.

    \b
    Examples:
      codecjob diff speech-20250102 @last
      codecjob diff @last job.yaml --json
    """
    ours, theirs = (_resolve(store, name) for name in (left, right))
    changed = differences(ours, theirs)
    if as_json:
        rows = [{"key": item.key, "left": item.left, "right": item.right} for item in changed]
        print_json({"left": ours.what, "right": theirs.what, "differences": rows})
        return
    if not changed:
        click.echo(f"{ours.what} and {theirs.what} have the same settings and data")
        return
    table = Table("", ours.what, theirs.what, box=None, pad_edge=False)
    for item in changed:
        table.add_row(item.key, spell(item.left), spell(item.right))
    Console(soft_wrap=True, highlight=False, markup=False).print(table)


def _resolve(store: str | None, name: str) -> Resolved:
    if not name.endswith(SPEC_SUFFIXES):
        return of_run(locate(name, store))
    spec = load_spec(Path(name))
    config = ask_trainer(spec.train.flags()).config
    return of_spec(name, spec, config, dataset.look_at(spec.data, config["sample_rate"]).dataset_id)
