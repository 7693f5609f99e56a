"""All runs as a table: a line for each where there is room, two where there is less, a few on a telephone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from job.cli.output import number
from job.cli.views import columns, labels
from job.cli.views.labels import metric
from job.run.state import RunState
from job.watch.run_list import Entry, Unreadable

GAPS = (2, 1)


@dataclass(frozen=True)
class _Column:
    title: str
    cell: Callable[[RunState], str | Text]
    right: bool = False
    fact: str = "{}"
    """How it reads outside a table."""


def _metric(title: str, name: str, digits: int, fact: str) -> _Column:
    return _Column(title, lambda state: number(metric(state.last_validation(), name), digits), True, fact)


RUN = _Column("run", lambda state: Text(state.run_id, style="bold"))
FIGURES = (
    _Column("state", lambda state: Text(state.state, style=labels.STATE_COLOURS.get(state.state, ""))),
    _Column("epoch", labels.epochs, True, "epoch {}"),
    _metric("loss", "loss", 3, "loss {}"),
    _metric("SNR", "snr_db", 1, "SNR {} dB"),
    _metric("ampl.", "amplitude", 2, "amplitude {}"),
    _Column("verdict", labels.verdict),
    _Column("cost", lambda state: labels.usd(state.money.cost.usd), True, "{} USD"),
    _Column("USD/h", labels.price, True, "{} USD/h"),
    _Column("left", labels.left, True, "{} left"),
    _Column("billing", lambda state: Text(state.billing, style=labels.BILLING_COLOURS.get(state.billing, "")), False,
            "billing {}"),
)  # fmt: skip
PLACE = (
    _Column("pod", lambda state: state.pod or labels.NOTHING),
    _Column("GPU", labels.gpu),
)


class RunsTable:
    """The table, for the width that it is printed at.

    A bare name is a run that has not been looked at yet. ``lines`` is how many there is room for: what does not fit is
    counted instead.
    """

    def __init__(self, entries: Sequence[Entry | str], lines: int | None = None) -> None:
        self.entries = entries
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The widest form that fits."""
        states = [entry for entry in self.entries if isinstance(entry, RunState)]
        head, blocks = _wide(states, options.max_width) or _double(states, options.max_width) or _cards(
            states, options.max_width
        )  # fmt: skip
        yield from head if self.entries else ()
        room = None if self.lines is None else self.lines - len(head)
        for shown, entry in enumerate(self.entries):
            block = blocks[entry.run_id] if isinstance(entry, RunState) else _other(entry, options.max_width)
            if room is not None:
                height = sum(len(console.render_lines(part, options, pad=False)) for part in block)
                if height > room - (shown < len(self.entries) - 1):  # the last line says what is left out
                    yield Text(f"and {len(self.entries) - shown} more, no room for them here", style="dim")
                    return
                room -= height
            yield from block


Blocks = tuple[list[Text], dict[str, list[RenderableType]]]


def _wide(states: Sequence[RunState], width: int) -> Blocks | None:
    wanted = (RUN, *FIGURES, *PLACE)
    rows = [_titles(wanted), *(_cells(wanted, state) for state in states)]
    of = columns.widths(rows)
    if columns.total(of, GAPS[0]) > width:
        return None
    head, *lines = [columns.line(row, of, [column.right for column in wanted], GAPS[0]) for row in rows]
    return [head], {state.run_id: [line] for state, line in zip(states, lines, strict=True)}


def _double(states: Sequence[RunState], width: int) -> Blocks | None:
    rows = [_titles(FIGURES), *(_cells(FIGURES, state) for state in states)]
    of = columns.widths(rows)
    gap = next((gap for gap in GAPS if columns.total(of, gap) + 2 <= width), None)
    if gap is None:
        return None
    head, *lines = [columns.line(row, of, [column.right for column in FIGURES], gap, indent=2) for row in rows]
    blocks: dict[str, list[RenderableType]] = {}
    for state, line in zip(states, lines, strict=True):
        place = [Text(fact, style="dim") for fact in _place(state)]
        blocks[state.run_id] = [*columns.packed([_name(state), *place], width, indent=0), line]
    return [Text("run, pod, GPU", style="dim"), head], blocks


def _cards(states: Sequence[RunState], width: int) -> Blocks:
    blocks: dict[str, list[RenderableType]] = {}
    for state in states:
        facts = [_fact(column, cell) for column, cell in zip(FIGURES, _cells(FIGURES, state), strict=True)]
        known = [fact for fact in facts if fact is not None] + [Text(fact) for fact in _place(state)]
        blocks[state.run_id] = [*columns.packed([_name(state)], width, indent=0), *columns.packed(known, width)]
    return [], blocks


def _titles(of: Iterable[_Column]) -> list[Text]:
    return [Text(column.title, style="dim") for column in of]


def _cells(of: Iterable[_Column], state: RunState) -> list[Text]:
    cells = (column.cell(state) for column in of)
    return [cell if isinstance(cell, Text) else Text(cell) for cell in cells]


def _fact(column: _Column, cell: Text) -> Text | None:
    if cell.plain == labels.NOTHING:
        return None
    before, _, after = column.fact.partition("{}")
    return Text.assemble(before, cell, after)


def _name(state: RunState) -> Text:
    return Text(state.run_id, style="bold")


def _place(state: RunState) -> list[str]:
    return [fact for fact in (state.pod or labels.NOTHING, labels.gpu(state)) if fact != labels.NOTHING]


def _other(entry: Entry | str, width: int) -> list[RenderableType]:
    """A run that nothing is known of: not yet, or not at all."""
    if isinstance(entry, str):
        return [Text.assemble(Text(entry, style="bold"), Text("  reading ...", style="dim"), overflow="fold")]
    assert isinstance(entry, Unreadable)
    billed = f" Billing on: pod {', '.join(entry.pods)}." if entry.pods else ""
    said = Text.assemble(("unreadable", labels.STATE_COLOURS["unreadable"]), f": {entry.problem}.{billed}")
    name = Text(entry.run_id, style="bold", overflow="fold")
    if name.cell_len + 2 + said.cell_len <= width:
        return [Text.assemble(name, "  ", said)]
    return [name, Padding(said, (0, 0, 0, 2), expand=False)]


def footer(entries: Sequence[Entry | str], older: int) -> Group:
    """What holds for several runs: what is billed now, whose provider does not answer, what is not shown."""
    states = [entry for entry in entries if isinstance(entry, RunState)]
    said: list[Text] = []
    billed = [state for state in states if state.billing == "on"]
    if prices := [state.usd_per_hour for state in billed if state.usd_per_hour]:
        runs = "1 run is" if len(prices) == 1 else f"{len(prices)} runs are"
        said.append(Text(f"{runs} being paid for: {sum(prices):.2f} USD an hour"))
    for name, trouble in {state.spec.provider: state.trouble for state in states if state.trouble}.items():
        said.append(Text(f"billing unknown ({name}): {trouble}", style="yellow"))
    if older:
        said.append(Text(f"{older} older: codecjob status --all", style="dim"))
    return Group(*said)
