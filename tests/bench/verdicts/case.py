"""What a case of the bench is."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row

TESTS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    ">=": operator.ge,
    "not finite": lambda value, _: not math.isfinite(value),
}


@dataclass(frozen=True)
class Shows:
    """A row that shows a fault: the ``nth`` row of a kind, from an epoch on, that fulfils a condition.

    It is declared for each case from what the fault does, not from what the rule engine says. An epoch's training rows
    carry the number of epochs that are complete.
    """

    kind: str = "validation"
    nth: int = 1
    epoch: int = 1
    metric: str = ""
    test: str = "<"
    limit: float = 0.0

    def index(self, rows: Sequence[Row]) -> int | None:
        """Position of that row; None where no row shows it."""
        found = []
        before: float | None = None
        for number, row in enumerate(rows):
            if row.kind != self.kind or row.epoch is None or row.epoch < self.epoch:
                continue
            value = row.get(self.metric)
            if not self.metric or (value is not None and self._fits(value, before)):
                found.append(number)
            before = value
        return found[self.nth - 1] if len(found) >= self.nth else None

    def _fits(self, value: float, before: float | None) -> bool:
        return value == before if self.test == "same" else TESTS[self.test](value, self.limit)


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
    # Whichever comes first: rows come by the clock, so a slow machine writes more of them. Nothing in a good case; in a
    # bad one, that no row can show it, and ``what`` says who finds it.
    shows: tuple[Shows, ...] = ()
    checklist: Mapping[str, Any] = field(default_factory=lambda: {"min_steps": 40})
    # What goes wrong and why, where the bench knows it: the result stays in the table as it is.
    known: str = ""

    def shown_at(self, rows: Sequence[Row]) -> int | None:
        """Position of the first row that shows the fault; None where there is none."""
        found = [index for shows in self.shows if (index := shows.index(rows)) is not None]
        return min(found, default=None)

    def judge(self) -> Checklist:
        """The checklist of this case."""
        return Checklist.model_validate(dict(self.checklist))
