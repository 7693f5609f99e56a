"""codecjob schema."""

import click

from job.cli.output import print_json
from job.spec.model import JobSpec


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a spec file, for editors and checks.

    \b
    Examples:
      codecjob schema > job.schema.json
    """
    print_json(JobSpec.model_json_schema())
