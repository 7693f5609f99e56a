"""How a followed run is shown: a block that moves at the foot of a terminal, and plain lines where there is none."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from job import speech
from job.cli.phases import STEPS, Phase
from job.cli.views import columns

PLAIN_SECONDS = 60.0
"""How often a phase that goes on gets another plain line."""
BAR_WIDTH = 40
REFRESH_PER_SECOND = 4
GAP = "  "
STYLES = {"GOOD": "bold green", "BAD": "bold red"}


class Screen(Protocol):
    """What `follow` writes to."""

    def show(self, phase: Phase) -> None:
        """What is going on now."""
        ...

    def say(self, text: str) -> None:
        """Something that has happened; stays."""
        ...


@contextmanager
def screen() -> Iterator[Screen]:
    """For as long as the block lasts; the moving part is gone afterwards."""
    console = Console(file=speech.quiet(sys.stdout), highlight=False, soft_wrap=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield Plain()
        return
    moving = Moving(console)
    with Live(console=console, get_renderable=moving.render, refresh_per_second=REFRESH_PER_SECOND, transient=True):
        yield moving


class Plain:
    """A line for every new phase, and now and then for one that goes on."""

    def __init__(self, seconds: float = PLAIN_SECONDS) -> None:
        self.seconds = seconds
        self.name = ""
        self.line = ""
        self.said_at = 0.0

    def show(self, phase: Phase) -> None:
        """See `Screen.show`."""
        line = in_a_line(phase)
        new, due = phase.name != self.name, time.monotonic() - self.said_at >= self.seconds
        if not phase.title or not (new or (due and line != self.line)):
            return
        self.name, self.line, self.said_at = phase.name, line, time.monotonic()
        self.say(line)

    def say(self, text: str) -> None:
        """See `Screen.say`."""
        speech.say(stamped(text))


class Moving:
    """A spinner, a bar and the facts, drawn anew several times a second; what happens scrolls by above."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.phase = Phase("", "reading the record")
        self.spinner = Spinner("line")
        self.name = ""

    def show(self, phase: Phase) -> None:
        """See `Screen.show`."""
        if phase.name != self.name and phase.title:
            self.name = phase.name
            self.say(phase.title)
        self.phase = phase

    def say(self, text: str) -> None:
        """See `Screen.say`."""
        line = Text(stamped(text))
        for word, style in STYLES.items():
            line.highlight_words([f" {word}:"], style)
        self.console.print(line)

    def render(self) -> RenderableType:
        """The block as it is now."""
        return block(self.phase, self.console.width, self.spinner)


def block(phase: Phase, width: int, spinner: RenderableType = "") -> RenderableType:
    """A phase as wide as a terminal: its title, its bar where there is one, its facts."""
    head = Table.grid(padding=(0, 1))
    head.add_row(spinner, phase.title)
    lines: list[RenderableType] = [head]
    if phase.total:
        lines.append(_bar(phase, width))
    lines += columns.packed([Text(fact) for fact in phase.facts], width, indent=0)
    return Group(*lines)


def in_a_line(phase: Phase) -> str:
    """A phase where nothing can be drawn."""
    return GAP.join([phase.title, *([_count(phase)] if phase.total else []), *phase.facts])


def stamped(text: str) -> str:
    """A line with the time of day."""
    return f"{time.strftime('%H:%M:%S')}{GAP}{text}"


def _bar(phase: Phase, width: int) -> RenderableType:
    share = f"{100 * phase.done / phase.total:3.0f}%"
    count = _count(phase)
    row = Table.grid(padding=(0, 1))
    rest = width - len(share) - len(count) - 2
    row.add_row(ProgressBar(phase.total, phase.done, width=max(min(rest, BAR_WIDTH), 4)), share, count)
    return row


def _count(phase: Phase) -> str:
    """Steps are counted; of bytes the facts tell in a unit for people."""
    return f"step {phase.done}/{phase.total}" if phase.unit == STEPS else ""
