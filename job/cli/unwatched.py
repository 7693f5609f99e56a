"""Leaving a paid run alone: somebody must watch, or the user must say that nobody does."""

import time

import click

from infra.pods import Provider
from infra.store import Store
from job.spec import JobSpec
from job.watch_beat import last_watched, require_watch

unwatched_option = click.option(
    "--unwatched", is_flag=True, help="Detach from a paid run although no watchdog is looking; shows the worst cost."
)


def check_watched(spec: JobSpec, provider: Provider, store: Store, unwatched: bool) -> None:
    """Before detaching. Raises UsageError if the run is paid, nobody watches and ``unwatched`` is not given."""
    # The cheapest offer that can be had is what a launch takes.
    price = next((offer.price_per_hour for offer in provider.offers() if offer.available), 0.0)
    said = require_watch(price, spec.max_hours, spec.max_cost, last_watched(store), unwatched, time.time())
    if said:
        click.echo(f"warning: {said}", err=True)
