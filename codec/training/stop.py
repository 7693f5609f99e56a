"""Requests to stop: a stop.json in the run's folder, SIGTERM, or Ctrl-C."""

import signal
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self


class Stopped(Exception):
    """Raised where a request can't be answered by returning."""


class StopRequest:
    """Watches for a request while its context lasts.

    After a first signal the second one acts as if there were no handler: it ends the process at once. Not
    so if `patient`: at Ctrl-C a rank gets one from the terminal and one from torchrun, which waits 30 s
    and then ends it in any case.
    """

    def __init__(self, path: Path, patient: bool = False) -> None:
        self._path = path
        self._patient = patient
        self._signalled = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore_handlers()

    def requested(self) -> bool:
        """Whether somebody has asked this run to stop."""
        return self._signalled or self._path.exists()

    def answer(self) -> None:
        """Remove the request: it has been obeyed."""
        self._path.unlink(missing_ok=True)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True
        if not self._patient:
            self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
