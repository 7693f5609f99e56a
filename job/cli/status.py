"""codecjob status."""

import os
import shlex
import sys

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from infra.background import Background
from infra.store import Store
from job.cli.live_status import show, watch
from job.cli.options import any_run_argument, json_option, store_option
from job.cli.output import INTERRUPTED, print_json
from job.cli.status_views import ManyRuns, OneRun
from job.errors import UsageError
from job.paths import open_default_store
from job.record.find import open_existing_store
from job.record.run_index import elsewhere

SHOWN = 20
REDRAW_SECONDS = 0.25
PIPE_WIDTH = 1000
"""A reader that is no terminal gets each run in one line, to be searched by line."""


SOON_SECONDS = 0.3
"""What takes no longer is waited for without a word."""


@click.command("status")
@any_run_argument
@click.option("--all", "every", is_flag=True, help=f"Every run, not only the newest {SHOWN} and those billed.")
@click.option("--watch", "watching", is_flag=True, help="Refresh until the run, or every run shown, has ended.")
@store_option
@json_option
def command(run: str | None, every: bool, watching: bool, store: str | None, as_json: bool) -> None:
    """Show the newest runs, or one in detail: state, metrics, verdict, cost, and whether anything is billed.

    Ctrl-C ends --watch with exit code 130; the runs go on. With --json it prints when it ends.

    \b
    Examples:
      codecjob status
      codecjob status @last --watch
      codecjob status quickstart --json
      codecjob status --all --json
    """
    if run and every:
        raise UsageError("--all lists every run: leave it out to see one")
    source = OneRun(run, store) if run else ManyRuns(lambda: open_existing_store(store), None if every else SHOWN)
    console = _console()
    if watching:
        _watch(console, source, as_json)
        return
    _take(console, source, quiet=as_json)
    if as_json:
        print_json(source.document())
        return
    notice = source.notice()
    show(console, source.picture(None))
    notice.show()
    if not run and store is None:
        _say_elsewhere(open_default_store())


def _console() -> Console:
    console = Console(highlight=False)
    if console.is_terminal or os.environ.get("COLUMNS"):
        return console
    return Console(highlight=False, width=PIPE_WIDTH)


def _watch(console: Console, source: OneRun | ManyRuns, as_json: bool) -> None:
    try:
        watch(console, source, quiet=as_json)
    except KeyboardInterrupt:
        click.echo("no longer watching; what runs goes on", err=True)
        raise SystemExit(INTERRUPTED) from None
    if as_json:
        print_json(source.document())


def _take(console: Console, source: OneRun | ManyRuns, quiet: bool) -> None:
    """Looks once. What takes longer than a moment says so, and on a terminal shows what has come so far."""
    work = Background(source.take, "look")
    if work.wait(SOON_SECONDS):
        work.result()
        return
    if quiet or not console.is_terminal:
        if sys.stderr.isatty():  # nobody who keeps what a pipe says wants to know
            click.echo(f"reading {source.where} ...", err=True)
        work.result()
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            reading = Text(f"reading {source.where} ...", style="dim")
            live.update(Group(source.picture(console.height - 2), reading), refresh=True)
            if work.wait(REDRAW_SECONDS):
                break
    work.result()


def _say_elsewhere(default: Store) -> None:
    """Runs in other stores are named, not looked at: those may be far away, or gone."""
    urls = list(elsewhere(default).values())
    for url in dict.fromkeys(reversed(urls)):
        count = urls.count(url)
        click.echo(f"{count} more in another store: codecjob status --store {shlex.quote(url)}", err=True)
