"""codecjob status."""

import shlex
import time

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from infra.pods import Provider, open_provider
from infra.store import Store
from job.cli.notice import Notice
from job.cli.options import any_run_argument, json_option, store_option
from job.cli.output import duration, number, print_json
from job.cli.signs import COLOURS
from job.home import open_default_store
from job.known_runs import elsewhere, locate
from job.record import Run, list_runs
from job.state import ENDED, RunState, look

REFRESH_SECONDS = 2.0
COLUMNS = ("run", "state", "epoch", "loss", "SNR", "ampl.", "verdict", "billing", "cost")
WIDE = 100  # columns of text


@click.command("status")
@any_run_argument
@click.option("--watch", is_flag=True, help="Refresh until the run, or every run, has ended.")
@store_option
@json_option
def command(run: str | None, watch: bool, store: str | None, as_json: bool) -> None:
    """Show all runs, or one in detail: state, metrics, verdict, cost, and whether anything is billed.

    \b
    Examples:
      codecjob status
      codecjob status @last --watch
      codecjob status quickstart --json
    """
    found = locate(run, store) if run else None
    opened = found.store if found else open_default_store(store)
    if as_json:
        states = _look(opened, found)
        print_json(states[0].as_dict() if found else [state.as_dict() for state in states])
        return
    console = Console(highlight=False)
    if not watch:
        states = _look(opened, found)
        notice = Notice(opened, *(open_provider(name) for name in {state.spec.provider for state in states}))
        console.print(_picture(states, run, console.width))
        notice.show()
        if not run and store is None:
            _say_elsewhere(opened)
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            states = _look(opened, found)
            live.update(_picture(states, run, console.width), refresh=True)
            if all(state.state in ENDED for state in states):
                break
            time.sleep(REFRESH_SECONDS)


def _say_elsewhere(default: Store) -> None:
    """Runs in other stores are named, not looked at: those may be far away, or gone."""
    urls = list(elsewhere(default).values())
    for url in dict.fromkeys(reversed(urls)):
        count = urls.count(url)
        click.echo(f"{count} more in another store: codecjob status --store {shlex.quote(url)}", err=True)


def _look(store: Store, wanted: Run | None) -> list[RunState]:
    runs = [wanted] if wanted else [Run(store, run_id) for run_id in reversed(list_runs(store))]
    providers: dict[str, Provider] = {}
    states = []
    for run in runs:
        name = run.spec().provider
        providers.setdefault(name, open_provider(name))
        states.append(look(run, providers[name], with_invoice=wanted is not None))
    return states


def _picture(states: list[RunState], wanted: str | None, width: int) -> RenderableType:
    if wanted:
        return _details(states[0])
    if not states:
        return Text("no runs yet: start one with `codecjob submit SPEC`")
    return _table(states, width)


def _table(states: list[RunState], width: int) -> Table:
    table = Table(box=None, pad_edge=False)
    right = ("epoch", "loss", "SNR", "ampl.", "cost")
    # A run's whole name is what the other commands take; on a narrow terminal the lesser figures make room for it.
    titles = [title for title in COLUMNS if width >= WIDE or title not in ("loss", "ampl.", "cost")]
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left", overflow="fold")
    for state in states:
        row = state.last_validation()
        verdict = state.verdict.verdict
        cells: dict[str, RenderableType] = {
            "run": state.run_id,
            "state": state.state,
            "epoch": _epochs(state),
            "loss": number(row.get("loss") if row else None, 3),
            "SNR": number(row.get("snr_db") if row else None, 1),
            "ampl.": number(row.get("amplitude") if row else None),
            "verdict": Text(verdict.upper(), style=COLOURS[verdict]),
            "billing": state.billing,
            "cost": _usd(state.money.cost.usd),
        }
        table.add_row(*(cells[title] for title in titles))
    return table


def _details(state: RunState) -> Group:
    facts = Table(box=None, show_header=False, pad_edge=False)
    row = state.last_validation()
    facts.add_row("run", state.run_id)
    facts.add_row("state", f"{state.state} (attempt {state.attempt} on {state.spec.provider})")
    if state.outcome:
        facts.add_row("outcome", Text(f"{state.outcome.reason} (by {state.outcome.by})"))
    facts.add_row("billing", state.billing)
    for label, amount in (
        ("cost", state.money.cost),
        ("cost to the end", state.money.to_the_end),
        ("saved", state.money.saved),
    ):
        facts.add_row(label, Text(f"{_usd(amount.usd)} ({amount.basis})"))
    facts.add_row("submitted", f"{duration(time.time() - state.submitted)} ago")
    if state.progress:
        ago = f", {duration(time.time() - state.progress.time)} ago" if state.state not in ENDED else ""
        facts.add_row("progress", f"epoch {_epochs(state)}, step {state.progress.step}, {state.progress.phase}{ago}")
    if row:
        facts.add_row(
            "validation",
            f"loss {number(row.get('loss'), 3)}, SNR {number(row.get('snr_db'), 1)} dB, "
            f"amplitude {number(row.get('amplitude'))}, correlation {number(row.get('correlation'))}",
        )
    verdict = state.verdict.verdict
    facts.add_row("verdict", Text.assemble((verdict.upper(), COLOURS[verdict]), f": {state.verdict.summary}"))
    facts.add_row("next", state.next_step)
    return Group(facts)


def _epochs(state: RunState) -> str:
    if state.progress is None:
        return "-"
    planned = state.planned_epochs()
    return f"{state.progress.epoch}/{planned}" if planned else str(state.progress.epoch)


def _usd(amount: float | None) -> str:
    return "-" if amount is None else f"{amount:.2f} USD"
