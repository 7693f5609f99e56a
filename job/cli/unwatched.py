"""Leaving a paid run alone: somebody must watch, or the user must say that nobody does."""

import time

import click

from infra.store import Store
from job.run.offers import Choice
from job.spec.model import JobSpec
from job.watch.heartbeat import last_watched, require_watch

unwatched_option = click.option(
    "--unwatched", is_flag=True, help="Detach from a paid run although no watchdog is looking; shows the worst cost."
)


def check_watched(spec: JobSpec, choice: Choice, store: Store, unwatched: bool) -> None:
    """Before detaching. Raises UsageError if the run is paid, nobody watches and ``unwatched`` is not given."""
    watched, now = last_watched(store, spec.provider), time.time()
    said = require_watch(
        choice.dearest, spec.max_hours, spec.max_cost, watched, unwatched, now, ends_itself=spec.nodes == 1
    )
    if said:
        click.echo(f"warning: {said}", err=True)
