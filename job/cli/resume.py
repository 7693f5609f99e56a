"""codecjob resume."""

import click

from infra.pods import open_provider
from job.cli.follow import follow
from job.cli.options import json_option, run_argument, store_option
from job.cli.output import print_json
from job.cli.unwatched import check_watched, unwatched_option
from job.errors import UsageError
from job.known_runs import locate
from job.resume import resume


@click.command("resume")
@run_argument
@click.option("--follow/--detach", "following", default=True, help="Watch the run until it ends, or return at once.")
@unwatched_option
@click.option("--override", metavar="REASON", help="Continue a run that was aborted; the reason is kept on record.")
@store_option
@json_option
def command(run: str, following: bool, unwatched: bool, override: str | None, store: str | None, as_json: bool) -> None:
    """Continue a run in a new attempt, from its newest complete checkpoint.

    A run that was aborted needs --override with a reason. Its checklist then judges it anew.

    \b
    Examples:
      codecjob resume @last --detach
      codecjob resume @last --override "validation was one noisy clip; six more were added"
    """
    found = locate(run, store)
    provider = open_provider(found.spec().provider)
    if override is not None and not override.strip():
        raise UsageError("--override: give the reason, such as --override 'the driver crashed'")
    if not following or as_json:
        check_watched(found.spec(), provider, found.store, unwatched)
    pod = resume(found, provider, override, lambda said: click.echo(said, err=True))
    if as_json:
        print_json({"run": found.run_id, "attempt": pod.attempt})
        return
    click.echo(f"attempt {pod.attempt} of {found.run_id} has started")
    if following:
        raise SystemExit(follow(found, provider))
    click.echo(f"next: codecjob status {found.run_id}")
