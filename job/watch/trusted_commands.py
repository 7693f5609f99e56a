"""Which commands this machine's user has asked for in a spec: the only ones of a record that are run here."""

import hashlib
from contextlib import suppress

from infra.files import write_atomic
from job.paths import home

MOST = 1000
"""Commands that are remembered, the newest."""


def remember(command: str) -> None:
    """Notes a command that was submitted here. A home that cannot be written only means that it is not run."""
    known = [*(line for line in _known() if line != _name(command)), _name(command)]
    with suppress(OSError):
        home().mkdir(parents=True, exist_ok=True)
        write_atomic(home() / "notify-commands", ["".join(f"{line}\n" for line in known[-MOST:]).encode()])


def is_known(command: str) -> bool:
    """Whether it was submitted here."""
    return _name(command) in _known()


def _known() -> list[str]:
    try:
        return (home() / "notify-commands").read_text().split()
    except (OSError, ValueError):
        return []


def _name(command: str) -> str:
    return hashlib.sha256(command.encode()).hexdigest()
