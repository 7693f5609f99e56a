"""The verdict of a log that grows: as `job.verdict.checklist.evaluate`, but no row is read twice."""

from collections.abc import Iterable

from job.verdict.checklist import Judge
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row, collate, place
from job.verdict.signs import Verdict


class LiveJudge:
    """Reads rows as they come; those of a day of training are read once."""

    def __init__(self, checklist: Checklist, rows: Iterable[Row] = ()) -> None:
        self.checklist = checklist
        self.rows: list[Row] = []
        self._last: tuple[int, int, int] | None = None
        self._begin_again()
        self.see(rows)

    def see(self, new: Iterable[Row]) -> None:
        """Reads more rows, in any order."""
        new = list(new)
        self.rows += new
        for row in new:
            where = place(row)
            if where is None or row.kind == "start" or not self._is_next(row, where):
                # A start row may hide rows that were read; a late or a second row belongs before others, or nowhere.
                self._begin_again()
                return
            self._judge.see(row)
            self._last, self._attempt = where, row.attempt

    def verdict(self) -> Verdict:
        """The verdict of the rows read so far."""
        return self._judge.verdict()

    def _is_next(self, row: Row, where: tuple[int, int, int]) -> bool:
        return row.attempt >= self._attempt and (self._last is None or where > self._last)

    def _begin_again(self) -> None:
        self._judge = Judge(self.checklist)
        self._last = None
        for row in collate(self.rows):
            self._judge.see(row)
            self._last = place(row) or self._last
        self._attempt = max((row.attempt for row in self.rows), default=0)
