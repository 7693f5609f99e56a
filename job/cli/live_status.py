"""Looking again and again, on a terminal without a flicker, elsewhere with a picture whenever something has changed."""

import time

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from infra.background import Background
from infra.store import Unavailable
from job.cli.output import duration
from job.cli.status_views import Look
from job.record.no_answer import NO_ANSWER

REFRESH_SECONDS = 2.0
LATE_SECONDS = 5.0
"""A look that takes longer is worth a word."""
TICK_SECONDS = 0.25


def watch(console: Console, source: Look, quiet: bool) -> None:
    """Returns when nothing more will happen, with the last picture on the terminal unless ``quiet``.

    A store or a provider without an answer is said, and asked again. Raises what the first look raises, unless the
    store is only away.
    """
    if quiet or not console.is_terminal or console.is_dumb_terminal:
        _watch_as_lines(console, source, quiet)
    else:
        # The alternate screen is painted over, never erased, so nothing flickers; and it leaves no old pictures behind.
        with Live(console=console, screen=True, auto_refresh=False) as live:
            _watch_on_screen(console, live, source)
        show(console, source.picture(None))


def show(console: Console, picture: RenderableType) -> None:
    """Prints a picture. A reader that is no terminal gets no spaces at the ends of lines."""
    if console.is_terminal:
        console.print(picture)
        return
    with console.capture() as printed:
        console.print(picture)
    for line in printed.get().splitlines():
        click.echo(line.rstrip())


def _watch_on_screen(console: Console, live: Live, source: Look) -> None:
    trouble, answered = "", time.monotonic()
    while True:
        work, began = Background(source.take, "look"), time.monotonic()
        while True:
            late = time.monotonic() - began > LATE_SECONDS
            slow = f"no answer for {duration(time.monotonic() - answered)} yet" if late else ""
            live.update(_frame(console, source, trouble or slow), refresh=True)
            if work.wait(TICK_SECONDS):
                break
        try:
            work.result()
            trouble, answered = "", time.monotonic()
        except NO_ANSWER as error:
            _raise_if_hopeless(error, source)
            trouble = f"no answer since {duration(time.monotonic() - answered)}, asking again: {error}"
        live.update(_frame(console, source, trouble), refresh=True)
        if source.ended() and not trouble:
            return
        time.sleep(REFRESH_SECONDS)


def _watch_as_lines(console: Console, source: Look, quiet: bool) -> None:
    mark: object = None
    trouble = ""
    while True:
        try:
            source.take()
            said = ""
        except NO_ANSWER as error:
            _raise_if_hopeless(error, source)
            said = f"no answer, asking again: {error}"
        if said and said != trouble:
            click.echo(said, err=True)
        trouble = said
        if not quiet and not said and source.mark() != mark:
            mark = source.mark()
            show(console, source.picture(None))
        if source.ended() and not said:
            return
        time.sleep(REFRESH_SECONDS)


def _raise_if_hopeless(error: Exception, source: Look) -> None:
    """What has never been seen may not be there at all; but a store that is away comes back."""
    if source.mark() is None and not isinstance(error, Unavailable):
        raise error


def _frame(console: Console, source: Look, trouble: str) -> RenderableType:
    clock = time.strftime("%H:%M:%S")
    reading = f"reading {source.where} ..." if source.mark() is None and not trouble else ""
    status = Text(trouble or reading or f"{clock}  every {REFRESH_SECONDS:g} s; Ctrl-C ends this, the runs go on")
    status.stylize("yellow" if trouble else "dim")
    return Group(status, source.picture(console.height - len(console.render_lines(status))))
