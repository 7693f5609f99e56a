"""The verdict of a log that grows: as `job.verdict.checklist.evaluate`, but no row is read twice."""

import operator
from collections.abc import Iterable

from job.verdict.checklist import Judge
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row, collate, place_after
from job.verdict.signs import Verdict

Place = tuple[int, int, int]
NOWHERE: Place = (-1, 0, 0)


class LiveJudge:
    """Reads rows as they come; those of a day of training are read once."""

    def __init__(self, checklist: Checklist, rows: Iterable[Row] = ()) -> None:
        self.checklist = checklist
        self.rows: list[Row] = []
        self._last: Place = NOWHERE
        self._newest: tuple[int, str, int | None] | None = None
        self._attempt = 0
        self._begin_again()
        self.see(rows)

    def see(self, new: Iterable[Row]) -> None:
        """Reads more rows, in any order."""
        new = list(new)
        self.rows += new
        for row in new:
            if row.step is not None and _key(row) == self._newest:
                continue  # a copy of the newest row
            where = place_after(row, self._last)
            if not self._is_next(row, where):
                # A start row may hide rows that were read; a late row belongs before others, or nowhere.
                self._begin_again()
                return
            self._read(row, where)

    def verdict(self) -> Verdict:
        """The verdict of the rows read so far."""
        return self._judge.verdict()

    def _is_next(self, row: Row, where: Place) -> bool:
        if row.step is None and (row.kind == "start" or not self._tidy):
            # A start row without a step hides every step before it; where rows came out of order, a row without one
            # follows the row that came before it, wherever that stands.
            return False
        return row.attempt >= self._attempt and (where > self._last or (row.step is None and where == self._last))

    def _read(self, row: Row, where: Place) -> None:
        self._judge.see(row)
        self._last, self._attempt, self._newest = where, max(row.attempt, self._attempt), _key(row)

    def _begin_again(self) -> None:
        self._judge = Judge(self.checklist)
        self._last, self._newest, self._attempt = NOWHERE, None, 0
        ordered = collate(self.rows)
        self._tidy = len(ordered) == len(self.rows) and all(map(operator.is_, ordered, self.rows))
        for row in ordered:
            self._read(row, place_after(row, self._last))
        self._attempt = max((row.attempt for row in self.rows), default=0)


def _key(row: Row) -> tuple[int, str, int | None]:
    return row.attempt, row.kind, row.step
