"""Work in a thread that nobody has to wait for: a store or a server far away may take for ever to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """A function that has been started in a thread: a daemon, so that neither Ctrl-C nor the exit waits for it."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work = work
        self._done = threading.Event()
        self._found: list[T] = []
        self._error: Exception | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for it, for ``seconds`` at most; return whether it is done."""
        return self._done.wait(seconds)

    def result(self) -> T:
        """Wait, and return what the function returned, or raise what it raised."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except Exception as error:  # noqa: BLE001 - raised by `result`
            self._error = error
        finally:
            self._done.set()
