"""codecjob resume."""

import click

from infra.pods import open_provider
from job import speech
from job.cli.follow import follow
from job.cli.options import json_option, run_argument, store_option
from job.cli.output import json_text
from job.cli.plan import Plan, agree, check_watched, show, unwatched_option, yes_option
from job.errors import UsageError
from job.record.run_index import locate
from job.run.offers import Choice
from job.run.resume import resume


@click.command("resume")
@run_argument
@click.option("--follow/--detach", "following", default=True, help="Watch the run until it ends, or return at once.")
@yes_option
@unwatched_option
@click.option("--override", metavar="REASON", help="Continue a run that was aborted; the reason is kept on record.")
@store_option
@json_option
def command(
    run: str, following: bool, yes: bool, unwatched: bool, override: str | None, store: str | None, as_json: bool
) -> None:
    """Continue a run in a new attempt, from its newest complete checkpoint.

    The plan says what the attempt can cost at most. Where that is money, nothing is started before a yes, typed or
    given as --yes.

    A run that was aborted needs --override with a reason. Its checklist then judges it anew.

    \b
    Examples:
      codecjob resume @last --detach
      codecjob resume @last --yes
      codecjob resume @last --override "validation was one noisy clip; six more were added"
    """
    found = locate(run, store)
    provider = open_provider(found.spec().provider)
    if override is not None and not override.strip():
        raise UsageError("--override: give the reason, such as --override 'the driver crashed'")

    def agreed(choice: Choice, spent: float | None) -> None:
        if not following or as_json:
            check_watched(found.spec(), choice, found.store, unwatched)
        plan = Plan(found.run_id, found.spec(), found.store.url, choice, spent=spent)
        if not as_json:
            show(plan)
        agree(plan, yes=yes, as_json=as_json)

    pod = resume(found, provider, override, speech.tell, agreed)
    if as_json:
        speech.say(json_text({"run": found.run_id, "attempt": pod.attempt}))
        return
    speech.say(f"attempt {pod.attempt} of {found.run_id} has started")
    if following:
        raise SystemExit(follow(found, provider))
    speech.say(f"next: codecjob status {found.run_id}")
