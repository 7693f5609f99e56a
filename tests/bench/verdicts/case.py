"""What a case of the bench is."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from job.checklist_spec import Checklist
from job.metrics_log import Row

TESTS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    ">=": operator.ge,
    "not finite": lambda value, _: not math.isfinite(value),
}


@dataclass(frozen=True)
class Shows:
    """The first row that shows a fault: the ``nth`` row of a kind, epoch and step that fulfils a condition.

    It is declared for each case from what the fault does, not from what the rule engine says. Rows are counted without
    gaps in between only where the sign needs rows in a row.
    """

    kind: str = "validation"
    nth: int = 1
    epoch: int = 1
    metric: str = ""
    test: str = "<"
    limit: float = 0.0

    def index(self, rows: Sequence[Row]) -> int | None:
        """Position of that row; None where no row shows it."""
        found = [number for number, row in enumerate(rows) if self._fits(row)]
        return found[self.nth - 1] if len(found) >= self.nth else None

    def _fits(self, row: Row) -> bool:
        # An epoch's training rows carry the number of epochs that are complete.
        if row.kind != self.kind or row.epoch is None or row.epoch < self.epoch:
            return False
        value = row.get(self.metric) if self.metric else 0.0
        return value is not None and (not self.metric or TESTS[self.test](value, self.limit))


@dataclass(frozen=True)
class Training:
    """A real short training."""

    flags: Mapping[str, Any] = field(default_factory=dict)
    fault: str = "none"
    data: str = "telugu"
    # How it is interrupted once it has got to a step, and then started again: "stop", "SIGTERM", "SIGKILL".
    interrupt: tuple[str, int] | None = None


@dataclass(frozen=True)
class Made:
    """Rows that were not measured here: where their figures come from and how they are made."""

    source: str
    write: Callable[[], bytes]


@dataclass(frozen=True)
class Case:
    """One run, bad or good, by how it comes about, with what judges it."""

    name: str
    kind: Literal["bad", "good"]
    what: str
    how: Training | Made
    # None in a good case; in a bad one, that no row can show it, and ``what`` says who finds it.
    shows: Shows | None = None
    checklist: Mapping[str, Any] = field(default_factory=lambda: {"min_steps": 40})
    # What goes wrong and why, where the bench knows it: the result stays in the table as it is.
    known: str = ""

    def judge(self) -> Checklist:
        """The checklist of this case."""
        return Checklist.model_validate(dict(self.checklist))
