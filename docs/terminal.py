"""A command in a terminal of its own, and what its screen shows: enough of one for rich's tables and bars."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

# ESC [ parameters letter; or ESC ] text BEL, such as a window's title; or one sign.
PIECE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07|(.)", re.DOTALL)


class Screen:
    """Lines of (sign, colours); grows downwards, so that nothing scrolls away."""

    def __init__(self) -> None:
        self.lines: list[list[tuple[str, str]]] = [[]]
        self.row = self.column = 0
        self.style = ""

    def feed(self, text: str) -> None:
        """Takes what a program has written."""
        for parameters, letter, sign in PIECE.findall(text):
            if sign:
                self._write(sign)
            elif letter:
                self._control(letter, parameters)

    def _write(self, sign: str) -> None:
        if sign == "\r":
            self.column = 0
        elif sign == "\n":
            self.row += 1
            self.lines += [[]] * (self.row >= len(self.lines))
        elif sign.isprintable():
            line = self.lines[self.row]
            line += [(" ", "")] * (self.column + 1 - len(line))
            line[self.column] = (sign, self.style)
            self.column += 1

    def _control(self, letter: str, parameters: str) -> None:
        count = int(parameters) if parameters.isdigit() else 0
        if letter == "A":
            self.row = max(self.row - (count or 1), 0)
        elif letter == "B":
            self.row = min(self.row + (count or 1), len(self.lines) - 1)
        elif letter == "K":
            self.lines[self.row] = self.lines[self.row][: 0 if count == 2 else self.column]
        elif letter == "J":
            self.lines[self.row] = self.lines[self.row][: self.column]
            del self.lines[self.row + 1 :]
        elif letter == "H":
            self.row = self.column = 0
        elif letter == "m":
            self.style = "" if parameters in ("", "0") else f"{self.style}\x1b[{parameters}m"

    def text(self, coloured: bool = True) -> str:
        """All lines, without empty ones at the end."""
        shown = []
        for line in self.lines:
            row, last = "", ""
            for sign, style in line:
                row += f"\x1b[0m{style}{sign}" if coloured and style != last else sign
                last = style
            shown.append(row.rstrip() + ("\x1b[0m" if coloured and last else ""))
        return "\n".join(shown).rstrip()


def screens(
    command: Sequence[str], folder: Path, env: Mapping[str, str], columns: int, seconds: float = 1200
) -> Iterator[Screen]:
    """Runs a command in a terminal so wide, and gives its screen after each piece that it writes.

    Raises:
        TimeoutError: it has not ended after so many seconds; it is killed then.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    terminal = {**env, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = subprocess.Popen(
        command, cwd=folder, env=terminal, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    screen, until, rest = Screen(), time.monotonic() + seconds, b""
    try:
        while time.monotonic() < until:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                rest += os.read(ours, 65536)
            except OSError:  # Linux: the other side is closed
                return
            whole = rest[: rest.rfind(b"\x1b")] if b"\x1b" in rest[-16:] else rest  # not half a sequence
            text = whole.decode("utf-8", "ignore")
            rest = rest[len(text.encode()) :]
            screen.feed(text)
            yield screen
        raise TimeoutError(f"{' '.join(command)}: no end in {seconds:.0f} s")
    finally:
        screen.feed(rest.decode("utf-8", "replace"))
        os.close(ours)
        process.kill()
        process.wait()


def last_screen(command: Sequence[str], folder: Path, env: Mapping[str, str], columns: int) -> Screen:
    """The screen when the command has ended."""
    screen = Screen()
    for screen in screens(command, folder, env, columns):  # noqa: B007 (the last one is wanted)
        pass
    return screen


def first_screen(found: Iterator[Screen], wanted: Callable[[str], bool]) -> str:
    """The coloured text of the first screen that shows what is wanted. The command goes on beside."""
    for screen in found:
        if wanted(screen.text(coloured=False)):
            return screen.text()
    raise RuntimeError("the command has ended without showing it")
