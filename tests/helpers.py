"""What tests of every kind share."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from infra.store import Store
    from job.record.attempt import Attempt

T = TypeVar("T")

PATIENCE_SECONDS = 300.0
"""How long a test waits for what must happen. Below pytest's own limit; a busy machine takes long for little."""


def wait_until(what: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Poll until `what` gives something true, and return that.

    The limit only ends a wait in vain: what takes its time passes. So it is no assertion about speed.
    """
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, f"waited in vain for {seconds:g} s"
        time.sleep(0.02)
    return found


class StoreProxy:
    """A store behind which another one does the work: a test overrides the call that it is about."""

    def __init__(self, store: "Store") -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class CountingStore(StoreProxy):
    """A store that notes the keys of what is read, and of what is uploaded or downloaded."""

    def __init__(self, store: "Store") -> None:
        super().__init__(store)
        self.read: list[str] = []
        self.moved: list[str] = []

    def get(self, key: str) -> bytes:
        """Return an object."""
        self.read.append(key)
        return self.store.get(key)

    def upload(self, path: Path, key: str) -> None:
        """Bring a file to the store."""
        self.moved.append(key)
        self.store.upload(path, key)

    def download(self, key: str, path: Path) -> None:
        """Bring an object to a file."""
        self.moved.append(key)
        self.store.download(key, path)


def event_names(attempt: "Attempt") -> list[str]:
    """What happened in an attempt, oldest first."""
    return [event["what"] for event in attempt.events()]


def log_of(attempt: "Attempt") -> str:
    """The log of an attempt as the record has it."""
    return b"".join(piece for _, piece in attempt.segments("log")).decode(errors="replace")
