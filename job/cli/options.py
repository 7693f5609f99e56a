"""Arguments and options that several commands share, declared once."""

from pathlib import Path

import click

from job.cli.complete import run_names


class RunName(click.ParamType[str]):
    """A run, by the beginning of its name; where it is missing, how to find one."""

    name = "run"

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """What stands behind "Missing argument"."""
        return "The beginning of a run's name, or @last; `codecjob status` lists them."


class SpecFile(click.Path):
    """A job.yaml; where it is missing, how to get one."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """What stands behind "Missing argument"."""
        return "`codecjob init` writes one."


run_argument = click.argument("run", metavar="RUN", type=RunName(), shell_complete=run_names)
spec_argument = click.argument("spec", metavar="SPEC", type=SpecFile())
any_run_argument = click.argument("run", metavar="[RUN]", required=False, shell_complete=run_names)
store_option = click.option(
    "--store", metavar="URL", help="Where the record lies. Default: $CODECJOB_STORE, else ~/.codecjob/store."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
