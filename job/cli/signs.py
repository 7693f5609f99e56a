"""A verdict on the terminal."""

from rich.console import Console
from rich.table import Table

from job.cli.output import number
from job.verdict import Severity, State, Verdict

COLOURS = {State.GOOD: "green", State.BAD: "red", State.UNDECIDED: "yellow"}


def print_verdict(verdict: Verdict) -> None:
    """The verdict, then its signs with values against thresholds."""
    console = Console(highlight=False)
    colour = COLOURS[verdict.verdict]
    console.print(f"[bold {colour}]{verdict.verdict.upper()}[/]", end=": ")
    console.print(verdict.summary, markup=False)
    if not verdict.signs:
        return
    table = Table(box=None, pad_edge=False)
    for title in ("sign", "state", "value", "threshold", "epoch", "step"):
        table.add_column(title, justify="right" if title in ("value", "epoch", "step") else "left")
    for sign in verdict.signs:
        state = sign.state.value if sign.severity is Severity.ERROR else "warning"
        state += "" if sign.acts else ", not decisive yet"
        where = ["-" if at is None else str(at) for at in (sign.epoch, sign.step)]
        table.add_row(sign.sign, f"[{COLOURS[sign.state]}]{state}[/]", number(sign.value, 3), sign.threshold, *where)
    console.print(table)
