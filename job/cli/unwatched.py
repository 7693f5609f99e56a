"""Leaving a paid run alone: somebody must watch, or the user must say that nobody does."""

import time

import click

from infra.pods import Provider
from infra.store import Store
from job.choice import look_for
from job.spec import JobSpec
from job.watch_beat import last_watched, require_watch

unwatched_option = click.option(
    "--unwatched", is_flag=True, help="Detach from a paid run although no watchdog is looking; shows the worst cost."
)


def check_watched(spec: JobSpec, provider: Provider, store: Store, unwatched: bool) -> None:
    """Before detaching. Raises UsageError if the run is paid, nobody watches and ``unwatched`` is not given."""
    # Which of the candidates has room is not known before the launch.
    price = max(candidate.price_per_hour for candidate in look_for(provider, spec))
    watched, now = last_watched(store), time.time()
    said = require_watch(price, spec.max_hours, spec.max_cost, watched, unwatched, now, ends_itself=spec.nodes == 1)
    if said:
        click.echo(f"warning: {said}", err=True)
