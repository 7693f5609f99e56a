"""The screen that the documents' pictures are taken of shows what a terminal would."""

import io
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live
from rich.style import Style
from rich.text import Text

TERMINAL = Path(__file__).parents[2] / "docs" / "terminal.py"


@pytest.fixture(scope="module")
def terminal() -> dict[str, Any]:
    return runpy.run_path(str(TERMINAL))


@pytest.mark.slow
def test_a_line_that_is_drawn_again_replaces_itself(terminal: dict[str, Any]) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=40, color_system="truecolor")
    with Live(Text("first"), console=console, auto_refresh=False) as live:
        live.update(Text("second\nof two lines"), refresh=True)
        live.console.print("said beside")
        live.update(Text("third", style="bold red"), refresh=True)
    screen = terminal["Screen"]()
    screen.feed(written.getvalue().replace("\n", "\r\n"))
    assert screen.text(coloured=False) == "said beside\nthird"
    style = Text.from_ansi(screen.text()).spans[0].style
    assert isinstance(style, Style)
    assert style.bold
    assert style.color is not None
    assert style.color.number == 1


@pytest.mark.slow
def test_a_command_runs_in_a_terminal_of_that_width(terminal: dict[str, Any], tmp_path: Path) -> None:
    script = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size().columns)"
    screen = terminal["last_screen"]([sys.executable, "-c", script], tmp_path, os.environ, 77)
    assert screen.text(coloured=False) == "True 77"
