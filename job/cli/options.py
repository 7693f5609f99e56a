"""Arguments and options that several commands share, declared once."""

import click

from job.cli.complete import run_names

run_argument = click.argument("run", metavar="RUN", shell_complete=run_names)
any_run_argument = click.argument("run", metavar="[RUN]", required=False, shell_complete=run_names)
store_option = click.option(
    "--store", metavar="URL", help="Where the record lies. Default: $CODECJOB_STORE, else ~/.codecjob/store."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
