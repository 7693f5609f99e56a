"""Feeds the rows of a case to the checklist one by one, as they would arrive."""

from dataclasses import dataclass

from job.verdict.checklist import evaluate
from job.verdict.rows import Row, parse
from job.verdict.signs import State, Verdict
from tests.bench.verdicts.case import Case
from tests.bench.verdicts.record import ROWS


@dataclass(frozen=True)
class Replay:
    """What the checklist made of a case. Indices count the rows in the order of their arrival."""

    case: Case
    rows: tuple[Row, ...]
    shown_at: int | None  # the first row that shows the fault
    bad_at: int | None  # the row after which the verdict was BAD
    verdict: Verdict  # at that row, else at the end

    @property
    def result(self) -> str:
        """One word for the table."""
        if self.case.kind == "good":
            return "untouched" if self.bad_at is None else "FALSE ABORT"
        if not self.case.shows:
            return "not in rows" if self.bad_at is None else "caught"
        if self.bad_at is None:
            return "MISSED"
        if self.shown_at is None or self.bad_at < self.shown_at:
            return "EARLY"
        return "caught" if self.bad_at <= self.shown_at + 1 else "LATE"

    @property
    def fine(self) -> bool:
        """Whether the result is what the bench asks for."""
        return self.result == self.result.lower()


def replay(case: Case) -> Replay:
    """Replays the committed rows of a case."""
    return replay_rows(case, (ROWS / f"{case.name}.jsonl").read_bytes())


def replay_rows(case: Case, data: bytes) -> Replay:
    """Replays the lines of a metrics file."""
    rows, checklist = parse(data).rows, case.judge()
    shown_at = case.shown_at(rows)
    for count in range(1, len(rows) + 1):
        verdict = evaluate(rows[:count], checklist)
        if verdict.verdict is State.BAD:
            return Replay(case, rows, shown_at, count - 1, verdict)
    return Replay(case, rows, shown_at, None, verdict)
