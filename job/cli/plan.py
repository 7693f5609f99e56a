"""What a start is going to do and what it can cost at most: told, and agreed to, before any money is spent."""

import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.pods import kind_of
from infra.store import Store
from job.checks.preflight.resources import size
from job.cli.output import duration
from job.errors import UsageError
from job.run.offers import Choice
from job.spec.model import JobSpec
from job.watch.heartbeat import last_watched, require_watch

# More than these are tried where need be; one line tells of them.
CANDIDATES_SHOWN = 3
NOT_THE_DISK = "list price of the GPUs; the pod's disk is billed besides"

unwatched_option = click.option(
    "--unwatched", is_flag=True, help="Detach from a paid run although no watchdog is looking; shows the worst cost."
)
yes_option = click.option("--yes", is_flag=True, help="Ask nothing: the plan's worst cost is agreed to.")


@dataclass(frozen=True)
class Upload:
    """What goes into the store before the start."""

    clips: int
    seconds: float
    """Of audio."""
    new_bytes: int
    """What the store lacks."""
    total_bytes: int


@dataclass(frozen=True)
class Plan:
    """Everything that a person would want to know before a yes."""

    run_id: str
    spec: JobSpec
    store: str
    choice: Choice
    upload: Upload | None = None
    """None where an attempt is resumed: all is there."""
    spent: float | None = None
    """USD of earlier attempts, as `job.run.cost` reckons it."""

    @property
    def worst_usd(self) -> float:
        """What the pod costs if it runs to max_hours on the dearest offer."""
        return self.choice.dearest * self.spec.max_hours

    @property
    def basis(self) -> str:
        """Of the worst cost."""
        return f"{self.choice.dearest:g} USD/h x {self.spec.max_hours:g} h"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "run": self.run_id,
            "provider": self.spec.provider,
            "image": self.spec.image,
            "store": self.store,
            "max_hours": self.spec.max_hours,
            "max_cost": self.spec.max_cost,
            "spent_usd": self.spent,
            "worst_usd": round(self.worst_usd, 4),
            "basis": self.basis,
            "upload": asdict(self.upload) if self.upload else None,
        }


def lines(plan: Plan) -> list[tuple[str, str]]:
    """(what, in words) for each line of the plan."""
    spec, (first, *others) = plan.spec, plan.choice.candidates
    paid = plan.choice.dearest > 0
    said = [("run", plan.run_id), ("provider", spec.provider)]
    if spec.image and not kind_of(spec.provider).is_this_user:
        said.append(("image", spec.image))
    said.append(("machine", str(first) if paid else f"{first.offer.gpu or 'no GPU'}, nothing is paid"))
    said += [("or, if taken", str(other)) for other in others[:CANDIDATES_SHOWN]]
    if rest := others[CANDIDATES_SHOWN:]:
        dearest = max(other.price_per_hour for other in rest)
        said.append(("", f"and {len(rest)} more, at most {dearest:.2f} USD/h"))
    said.append(("time", f"at most {spec.max_hours:g} h (max_hours)"))
    if paid:
        said += [
            ("cost", f"at most {plan.worst_usd:.2f} USD: {plan.basis} ({NOT_THE_DISK})"),
            ("budget", _budget(plan)),
        ]
    if plan.upload is not None:
        of = plan.upload
        what = f"{of.clips} clips, {duration(of.seconds)}: {size(of.new_bytes)} new of {size(of.total_bytes)}"
        said.append(("upload", what))
    return [*said, ("store", plan.store)]


def show(plan: Plan) -> None:
    """Prints it: as wide as the terminal is, and a line for each where there is none."""
    console = Console(highlight=False)
    if not console.is_terminal:
        for label, text in lines(plan):
            click.echo(f"{label:<12}  {text}")
        return
    table = Table.grid(padding=(0, 1))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in lines(plan):
        table.add_row(label, Text(text))
    console.print(table)


def agree(plan: Plan, *, yes: bool, as_json: bool) -> None:
    """Asks whether to go on where that costs money. Exit code 1 for a no.

    Raises:
        UsageError: somebody would have to be asked, and nobody is there.
    """
    if yes or plan.choice.dearest <= 0:
        return
    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        why = "--json asks nothing" if as_json else "this is no terminal to ask at"
        raise UsageError(
            f"{plan.run_id} would cost up to {plan.worst_usd:.2f} USD ({plan.basis}) and {why}: add --yes to agree to "
            "that; nothing was uploaded or started"
        )
    if not click.confirm(f"Start, for up to {plan.worst_usd:.2f} USD ({plan.basis})?", err=True):
        click.echo("nothing was uploaded or started")
        raise SystemExit(1)


def check_watched(spec: JobSpec, choice: Choice, store: Store, unwatched: bool) -> None:
    """Before detaching. Raises UsageError if the run is paid, nobody watches and ``unwatched`` is not given."""
    watched, now = last_watched(store, spec.provider), time.time()
    said = require_watch(
        choice.dearest, spec.max_hours, spec.max_cost, watched, unwatched, now, ends_itself=spec.nodes == 1
    )
    if said:
        click.echo(f"warning: {said}", err=True)


def _budget(plan: Plan) -> str:
    limit, spent = plan.spec.max_cost, plan.spent or 0.0
    already = f"{spent:.2f} USD are spent (price x time of earlier attempts)"
    if limit is None:
        return f"no max_cost; {already}" if spent else "no max_cost: only max_hours ends the run"
    left = max(limit - spent, 0.0)
    hours = left / plan.choice.dearest
    said = f"max_cost {limit:g} USD" + (f", of which {already}" if spent else "")
    if left >= plan.worst_usd:
        return f"{said}: covers it"
    return f"{said}: ends the run after {hours:.1f} h at {plan.choice.dearest:g} USD/h"
