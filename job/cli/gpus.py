"""codecjob gpus."""

from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.pods import PROVIDERS, Offer, open_provider, paid_providers
from job.cli.options import json_option
from job.cli.output import print_json

PLACES_SHOWN = 6


@click.command("gpus")
@click.option("--provider", default=paid_providers()[0], show_default=True, help=f"One of {', '.join(PROVIDERS)}.")
@json_option
def command(provider: str, as_json: bool) -> None:
    """Show which GPUs a provider has, at what price, and where they are free now; the cheapest first.

    Prices are list prices for one GPU, without the disk. What is free now may be gone a minute later.

    \b
    Examples:
      codecjob gpus
      codecjob gpus --json
    """
    offers = open_provider(provider).offers()
    if as_json:
        print_json([asdict(offer) for offer in offers])
        return
    console = Console(highlight=False)
    console.print(_table(offers) if offers else Text(f"provider {provider} offers nothing"))


def _table(offers: Sequence[Offer]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("gpu", "memory", "cloud", "USD/h", "free", "data centers"):
        table.add_column(title, justify="right" if title in ("memory", "USD/h") else "left", overflow="fold")
    for offer in offers:
        table.add_row(
            offer.gpu or "none",
            "-" if offer.memory_gb is None else f"{offer.memory_gb} GB",
            offer.cloud or "-",
            f"{offer.price_per_hour:.2f}",
            offer.stock or ("yes" if offer.available else "no"),
            _places(offer.data_centers),
            style=None if offer.available else "dim",
        )
    return table


def _places(places: Sequence[str]) -> str:
    more = len(places) - PLACES_SHOWN
    return " ".join(places[:PLACES_SHOWN]) + (f" +{more}" if more > 0 else "") or "-"
