"""What a look before the start has found."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NAMES_SHOWN = 10


class Level(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    """The run would fail, or could never be good: nothing is started."""
    WARNING = "warning"
    """Likely a mistake. Shown; stops only with --strict."""
    NOTE = "note"
    """A fact worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One line about one thing: what, where, how to mend it."""

    level: Level
    check: str
    """Which check found it, for machines: steps, clips, ..."""
    message: str

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"level": self.level.value, "check": self.check, "message": self.message}


def error(check: str, message: str) -> Finding:
    """A finding that stops."""
    return Finding(Level.ERROR, check, _one_line(message))


def warning(check: str, message: str) -> Finding:
    """A finding that is shown."""
    return Finding(Level.WARNING, check, _one_line(message))


def note(check: str, message: str) -> Finding:
    """A fact."""
    return Finding(Level.NOTE, check, _one_line(message))


def has_errors(findings: Sequence[Finding]) -> bool:
    """Whether the run must not be started."""
    return any(finding.level is Level.ERROR for finding in findings)


def listed(names: Sequence[str]) -> str:
    """Names with commas, the first ten of them."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _one_line(message: str) -> str:
    return " ".join(message.split())  # a file's name may hold a line break
