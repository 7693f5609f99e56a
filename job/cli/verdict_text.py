"""A verdict on the terminal."""

from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from job.cli.output import number
from job.verdict.signs import Severity, Sign, State, Verdict

COLOURS = {State.GOOD: "green", State.BAD: "red", State.UNDECIDED: "yellow"}
TITLES = ("sign", "state", "value", "threshold", "epoch", "step")


def print_verdict(verdict: Verdict, stream: TextIO | None = None) -> None:
    """The verdict, then its signs with values against thresholds; on stdout where no stream is given."""
    console = Console(file=stream, highlight=False)
    console.print(headline(verdict))
    console.print(Signs(verdict.signs))


def headline(verdict: Verdict) -> Text:
    """The verdict with its one sentence."""
    return Text.assemble((verdict.verdict.upper(), f"bold {COLOURS[verdict.verdict]}"), f": {verdict.summary}")


class Signs:
    """Sign by sign: a table where it fits, else a few lines for each."""

    def __init__(self, signs: tuple[Sign, ...]) -> None:
        self.signs = signs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Prints nothing where there are none."""
        if not self.signs:
            return
        table = Table(box=None, pad_edge=False)
        for title in TITLES:
            table.add_column(title, justify="right" if title in ("value", "epoch", "step") else "left")
        for sign in self.signs:
            table.add_row(*_cells(sign))
        if console.measure(table, options=options.update(max_width=1000)).maximum <= options.max_width:
            yield table
            return
        for sign in self.signs:
            name, state, value, threshold, epoch, step = _cells(sign)
            yield Text.assemble(name, "  ", state)
            facts = f"{value} ({threshold})" if threshold.plain else value
            yield Padding(Text.assemble(facts, f", epoch {epoch}, step {step}"), (0, 0, 0, 2), expand=False)


def _cells(sign: Sign) -> tuple[Text, ...]:
    state = sign.state.value if sign.severity is Severity.ERROR else "warning"
    state += "" if sign.acts else ", not decisive yet"
    where = ["-" if at is None else str(at) for at in (sign.epoch, sign.step)]
    plain = (number(sign.value, 3), sign.threshold, *where)
    return (Text(sign.sign), Text(state, style=COLOURS[sign.state]), *map(Text, plain))
