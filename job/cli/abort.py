"""codecjob abort-on-bad-signs."""

import time

import click

from infra.pods import Provider, ProviderError, open_provider
from infra.store import StoreError, Unavailable
from job.cli.follow import ENDED
from job.cli.options import json_option, run_argument, store_option
from job.cli.output import BAD, BAD_AND_STOPPED, BAD_NOT_STOPPED, GOOD, UNDECIDED, print_json
from job.cli.signs import print_verdict
from job.ending import close_if_lost, end
from job.errors import CannotTellError
from job.home import open_default_store
from job.record import Run, find_run
from job.state import RunState, look
from job.verdict import State

WATCHDOG = "watchdog"
POLL_SECONDS = 2.0


@click.command("abort-on-bad-signs")
@run_argument
@click.option("--watch", is_flag=True, help="Go on judging until the run has ended.")
@click.option("--dry-run", is_flag=True, help="Judge and tell, stop nothing.")
@store_option
@json_option
def command(run: str, watch: bool, dry_run: bool, store: str | None, as_json: bool) -> None:
    """Judge a run by its checklist and stop it if the verdict is BAD.

    The agent inside the pod does the same by itself; this is the second pair of eyes, from any machine that reaches the
    store. It asks the agent first, terminates the pod after a grace, and is content only when billing is off.

    Exit code: 0 good, 10 undecided, 20 bad and left alone (--dry-run), 21 bad and stopped with billing off, 22 bad and
    the stop is not confirmed, 3 cannot tell.

    \b
    Examples:
      codecjob abort-on-bad-signs @last --watch
      codecjob abort-on-bad-signs quickstart --dry-run --json
    """
    found = find_run(open_default_store(store), run)
    provider = open_provider(found.spec().provider)
    state = _watch(found, provider) if watch else look(found, provider)
    code = _act(found, provider, state, dry_run, quiet=as_json)
    if as_json:
        print_json({"run": found.run_id, "exit_code": code, **state.verdict.as_dict()})
    else:
        click.echo(f"{found.run_id}: {state.state}")
        print_verdict(state.verdict)
    raise SystemExit(code)


def _watch(run: Run, provider: Provider) -> RunState:
    """Looks until there is something to do, or nothing more to see. No answer is no reason for either."""
    told = ""
    while True:
        try:
            state = look(run, provider)
            if state.verdict.verdict is State.BAD or state.state in ENDED:
                return state
        except (ProviderError, Unavailable, CannotTellError) as error:
            if str(error) != told:
                click.echo(f"cannot tell: {error}", err=True)
            told = str(error)
        time.sleep(POLL_SECONDS)


def _act(run: Run, provider: Provider, state: RunState, dry_run: bool, quiet: bool) -> int:
    attempt = run.attempt(state.attempt)
    if state.verdict.verdict is not State.BAD:
        if state.state == "lost" and not dry_run:
            close_if_lost(provider, attempt, WATCHDOG)
        return GOOD if state.verdict.verdict is State.GOOD else UNDECIDED
    if dry_run:
        return BAD

    def say(what: str) -> None:
        if not quiet:
            click.echo(what, err=True)

    try:
        ended = end(provider, attempt, "aborted", state.verdict.summary, WATCHDOG, say)
    except (ProviderError, StoreError) as error:
        click.echo(f"the stop is not confirmed: {error}", err=True)
        return BAD_NOT_STOPPED
    return BAD_AND_STOPPED if ended.billing_off else BAD_NOT_STOPPED
