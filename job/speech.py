"""The one way to speak beside acting: words that cannot be written are lost, and nothing else is.

A log on a full disk, a pipe that nobody reads any more, a closed descriptor or a terminal that is gone must not keep a
pod alive. Standard library only: the supervisor speaks by it too.
"""

import io
import os
import sys
from contextlib import suppress
from typing import TextIO, cast

# ValueError: the file is closed, or holds no such sign.
CANNOT_WRITE = (OSError, ValueError)


def say(what: str) -> None:
    """Writes a line to stdout, if it can be."""
    write(sys.stdout, f"{what}\n")


def tell(what: str) -> None:
    """Writes a line to stderr, if it can be."""
    write(sys.stderr, f"{what}\n")


def write(stream: TextIO | None, text: str) -> None:
    """Writes text, if it can be. ``stream`` is None where the process was started without it."""
    if stream is not None:
        with suppress(*CANNOT_WRITE):
            stream.write(text)
            stream.flush()


class Quiet(io.TextIOBase):
    """A stream of this process for a library that writes by itself: what cannot be written is lost here, too."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return self.stream.encoding

    def isatty(self) -> bool:
        """Whether it is a terminal; one that is closed is none."""
        with suppress(*CANNOT_WRITE):
            return self.stream.isatty()
        return False

    def fileno(self) -> int:
        """Its descriptor. Raises OSError, or ValueError where it is closed, as a stream does."""
        return self.stream.fileno()

    def write(self, text: str) -> int:
        """Writes text, if it can be."""
        with suppress(*CANNOT_WRITE):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Writes what waits, if it can be."""
        with suppress(*CANNOT_WRITE):
            self.stream.flush()


def quiet(stream: TextIO | None) -> TextIO | None:
    """A stream that does not fail; None where the process was started without it."""
    return None if stream is None else cast(TextIO, Quiet(stream))


def give_up_what_is_left() -> None:
    """Drops what could not be written, at the end of a process: Python would try it again and change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except CANNOT_WRITE:
            with suppress(*CANNOT_WRITE):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
