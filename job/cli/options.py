"""Arguments and options that several commands share, declared once."""

import click

run_argument = click.argument("run", metavar="RUN")
store_option = click.option(
    "--store", metavar="URL", help="Where the record lies. Default: $CODECJOB_STORE, else ~/.codecjob/store."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
