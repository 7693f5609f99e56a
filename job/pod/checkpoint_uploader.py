"""Checkpoints into the record while training goes on: a thread of its own, newest first.

Each is kept as hard links until the store has it, so the trainer may prune what is being read. Where the store is
slower than the trainer, older checkpoints are let go: what a resume needs is the newest.
"""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from infra.store import StoreError
from job.record import checkpoints
from job.record.attempt import Attempt

# Those that wait hold disk space that the trainer may need.
MOST_WAITING = 3
RETRY_SECONDS = 5.0
# The trainer goes first where both want the processor. Threads that the upload starts inherit this.
NICENESS = 10

Kind = Literal["checkpoints", "evidence"]


@dataclass
class _Parcel:
    path: Path
    kind: Kind
    under_way: bool = False
    sent: set[str] = field(default_factory=set)


class Courier:
    """Uploads one attempt's checkpoints. `offer` and `finish` are called by the agent's loop and never wait for it."""

    def __init__(self, attempt: Attempt, outbox: Path, say: Callable[[str], None]) -> None:
        shutil.rmtree(outbox, ignore_errors=True)  # of an agent that was killed
        self.attempt = attempt
        self.outbox = outbox
        self.say = say
        self.failure: Exception | None = None
        self._done: set[str] = set()
        self._waiting: dict[str, _Parcel] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """From now on what is offered is uploaded."""
        self._thread.start()

    def offer(self, finished: Iterable[Path], bad: bool, restored: str | None) -> None:
        """Takes finished checkpoints that are new: as evidence when the run is BAD or their weights are not finite."""
        for path in finished:
            with self._changed:
                known = path.name in self._done or path.name in self._waiting
            if known or path.name == restored or not self._make_room(path.name):
                continue
            # Pruned between the listing and the reading: then it is nobody's any more.
            with contextlib.suppress(FileNotFoundError):
                kind: Kind = "evidence" if bad or not checkpoints.is_finite(path) else "checkpoints"
                parcel = _Parcel(self._snapshot(path), kind)
                with self._changed:
                    self._waiting[path.name] = parcel
                    self._changed.notify_all()

    def finish(self, until: float) -> list[str]:
        """Waits until everything is up, or until a moment of the monotonic clock; returns what is not."""
        with self._changed:
            while self._waiting and self.failure is None and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return sorted(self._waiting)

    def _make_room(self, name: str) -> bool:
        """Whether a checkpoint may wait, if need be in the place of an older one."""
        with self._changed:
            if len(self._waiting) < MOST_WAITING:
                return True
            resting = sorted(each for each, parcel in self._waiting.items() if not parcel.under_way)
            if not resting or name < resting[0]:
                return False
            dropped = self._waiting.pop(resting[0])
        self._forget(dropped)
        self.say(f"checkpoint {resting[0]} is not uploaded: the store is slower than the trainer")
        return True

    def _snapshot(self, path: Path) -> Path:
        copy = self.outbox / path.name
        try:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(path, copy, copy_function=os.link)
        except (OSError, shutil.Error):
            shutil.rmtree(copy, ignore_errors=True)
            # No hard links here: it is read where it lies, and left out if the trainer prunes it meanwhile.
            return path
        return copy

    def _forget(self, parcel: _Parcel) -> None:
        if parcel.path.parent == self.outbox:
            shutil.rmtree(parcel.path, ignore_errors=True)

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        said = ""
        try:
            while True:
                name, parcel = self._next()
                try:
                    whole = checkpoints.upload(self.attempt, parcel.path, parcel.kind, parcel.sent)
                except StoreError as error:
                    if str(error) != said:
                        self.say(f"checkpoint {name} cannot be uploaded now: {error}")
                    said = str(error)
                    self._put_back(parcel)
                    time.sleep(RETRY_SECONDS)
                    continue
                said = ""
                self._forget(parcel)
                with self._changed:
                    del self._waiting[name]
                    if whole:
                        self._done.add(name)
                    self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 - the agent's loop raises it
            with self._changed:
                self.failure = error
                self._changed.notify_all()

    def _next(self) -> tuple[str, _Parcel]:
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            name = max(self._waiting)
            self._waiting[name].under_way = True
            return name, self._waiting[name]

    def _put_back(self, parcel: _Parcel) -> None:
        with self._changed:
            parcel.under_way = False
