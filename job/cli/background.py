"""Work that may take long, because of a store far away: done beside the terminal, which says so within a second."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

SOON_SECONDS = 0.3
"""What takes no longer is waited for without a word."""


class Background(Generic[T]):
    """A function on its way in a thread of its own, a daemon: nobody who presses Ctrl-C waits for it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = threading.Event()
        self._found: list[T] = []
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="look", daemon=True).start()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is done by then."""
        return self._done.wait(seconds)

    def result(self) -> T:
        """Waits, and gives what the function returned, or raises what it raised."""
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
