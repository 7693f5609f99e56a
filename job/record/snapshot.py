"""An attempt at one moment."""

from typing import Any

from job.record.run import Attempt, D


class Snapshot(Attempt):
    """Reads each of an attempt's documents once, when it is first asked for: over a network every read is a wait."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(attempt.store, attempt.run_id, attempt.number, attempt._pieces)
        self._known: dict[str, Any] = {}

    def _read(self, name: str, kind: type[D]) -> D | None:
        if name not in self._known:
            self._known[name] = super()._read(name, kind)
        known: D | None = self._known[name]
        return known
