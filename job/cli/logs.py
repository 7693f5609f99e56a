"""codecjob logs."""

import sys
import time

import click

from infra.pods import open_provider
from job.cli.options import run_argument, store_option
from job.known_runs import locate
from job.record import Attempt, Run
from job.state import ENDED, look

POLL_SECONDS = 1.0


@click.command("logs")
@run_argument
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the run has ended.")
@store_option
def command(run: str, following: bool, store: str | None) -> None:
    """Print a run's log: the agent's and the trainer's lines, attempt after attempt.

    \b
    Examples:
      codecjob logs @last
      codecjob logs quickstart -f
    """
    found = locate(run, store)
    shown: dict[int, tuple[int, int]] = {}
    while True:
        # Asked before printing, so that what an ending run wrote last is printed too.
        ended = not following or look(found, open_provider(found.spec().provider)).state in ENDED
        for attempt in found.attempts():
            _print_new(found, attempt, shown)
        if ended:
            break
        time.sleep(POLL_SECONDS)
    if not shown:
        click.echo(f"{found.run_id} has not written a log yet", err=True)


def _print_new(run: Run, attempt: Attempt, shown: dict[int, tuple[int, int]]) -> None:
    """Prints what is new behind the last piece and the bytes of it that were ``shown``."""
    last, size = shown.get(attempt.number, (1, 0))
    for sequence, piece in attempt.segments("log", after=last - 1):
        if attempt.number > 1 and attempt.number not in shown:
            click.echo(f"--- attempt {attempt.number} of {run.run_id}")
        sys.stdout.buffer.write(piece[size:] if sequence == last else piece)
        sys.stdout.buffer.flush()
        shown[attempt.number] = (sequence, len(piece))
