"""How far long work is: a bar on a terminal, a line now and then where there is none."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from job.checks.preflight.resources import size
from job.cli.output import duration

Unit = Literal["clips", "bytes"]
Show = Callable[[int, int], None]

PLAIN_SECONDS = 15.0
"""How often there is a line where there is no terminal; work that takes less than that is silent."""
NARROW = 60
"""Columns below which a bar leaves out what can be spared."""


@contextmanager
def progress(what: str, unit: Unit, *, quiet: bool) -> Iterator[Show]:
    """Gives show(done, in all), on stderr."""
    console = Console(stderr=True)
    if quiet:
        yield lambda done, total: None
        return
    if not console.is_terminal or console.is_dumb_terminal:
        yield Lines(what, unit).show
        return
    with Progress(*_columns(unit, console.width), console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class Lines:
    """Progress where nothing can be drawn."""

    def __init__(self, what: str, unit: Unit, seconds: float = PLAIN_SECONDS) -> None:
        self.what = what
        self.unit = unit
        self.seconds = seconds
        self.began = self.said_at = time.monotonic()
        self.first: int | None = None
        """What was done already when it began."""

    def show(self, done: int, total: int) -> None:
        """Says so if the last line is old."""
        self.first = done if self.first is None else self.first
        now = time.monotonic()
        if now - self.said_at < self.seconds or done >= total:
            return
        self.said_at = now
        rate = (done - self.first) / max(now - self.began, 1e-9)
        click.echo(in_words(self.what, self.unit, done, total, rate), err=True)


def in_words(what: str, unit: Unit, done: int, total: int, rate: float) -> str:
    """One line; ``rate`` is clips or bytes a second, 0 where none is known."""
    if unit == "bytes":
        said = f"{what}: {size(done)} of {size(total)}" + (f", {size(rate)}/s" if rate else "")
    else:
        said = f"{what}: {done} of {total} clips"
    return f"{said}, {duration((total - done) / rate)} left" if rate else said


def _columns(unit: Unit, width: int) -> list[ProgressColumn]:
    narrow = width < NARROW
    bar = [TextColumn("{task.description}"), BarColumn(6 if narrow else 30)]
    if unit == "clips":
        return [*bar, MofNCompleteColumn(), TimeRemainingColumn(compact=True)]
    amount = [] if narrow else [DownloadColumn()]
    return [*bar, *amount, TransferSpeedColumn(), TimeRemainingColumn(compact=True)]
