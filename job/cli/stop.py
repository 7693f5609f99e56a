"""codecjob stop."""

import click

from infra.pods import open_provider
from job.cli.options import json_option, run_argument, store_option
from job.cli.output import CANNOT_TELL, print_json
from job.ending import end
from job.known_runs import locate
from job.launch import CLIENT


@click.command("stop")
@run_argument
@store_option
@json_option
def command(run: str, store: str | None, as_json: bool) -> None:
    """Stop a run: the agent saves a checkpoint and uploads it, the pod is terminated, billing is proven off.

    A stopped run can be resumed. Exit code: 0 ended and billing off, 3 the provider does not confirm it.

    \b
    Examples:
      codecjob stop @last
      codecjob stop quickstart --json
    """
    found = locate(run, store)
    provider = open_provider(found.spec().provider)

    def say(what: str) -> None:
        click.echo(what, err=True)

    billing_off, outcome = True, None
    for attempt in found.attempts():
        ended = end(provider, attempt, "stopped", "stopped by hand", CLIENT, say)
        billing_off, outcome = billing_off and ended.billing_off, ended.outcome
    billing = "off" if billing_off else "on"
    if as_json:
        print_json({"run": found.run_id, "outcome": outcome.model_dump() if outcome else None, "billing": billing})
    else:
        said = f"{outcome.outcome}: {outcome.reason}" if outcome else "not ended"
        click.echo(f"{found.run_id} {said}; billing {billing}")
    raise SystemExit(0 if billing_off else CANNOT_TELL)
