"""codecjob config."""

import click

from job.checks.defaults import in_effect
from job.cli.options import json_option
from job.cli.output import print_json


@click.command("config")
@json_option
def command(as_json: bool) -> None:
    """Show the defaults in effect on this machine, and where each comes from: environment, file or default.

    A spec and a command's options go before them. Of keys it shows only whether there is one. Nothing is asked or
    tried: that is what `codecjob doctor` does.

    \b
    Examples:
      codecjob config
      codecjob config --json
    """
    settings = in_effect()
    if as_json:
        print_json({found.name: {"value": found.value, "from": found.source} for found in settings})
        return
    # Addresses and reasons may be long: the terminal may fold them, nothing cuts them off.
    rows = [("setting", "value", "from"), *((found.name, found.value or "-", found.source) for found in settings)]
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, source in rows:
        click.echo(f"{name:<{wide[0]}}  {value:<{wide[1]}}  {source}")
