"""Everything that a page says of a run, read once from its record and from the provider. No words, no pictures."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from job.errors import CannotTellError, UsageError
from job.record.attempt import Attempt
from job.record.documents import Submission
from job.record.judged_cache import judge
from job.record.resolved_settings import start_row
from job.record.run import Run
from job.report import samples
from job.run.seen import AttemptFacts
from job.run.state import RunState, finder, look
from job.spec.model import JobSpec
from job.verdict.checklist_spec import Checklist
from job.verdict.rate import fit, rate_of
from job.verdict.rows import Row, collate, parse
from job.verdict.signs import Verdict

T = TypeVar("T")


@dataclass(frozen=True)
class Trained(AttemptFacts):
    """An attempt with its rows."""

    rows: int = 0
    resumed_at: int | None = None
    """The step that it began from; 0 for a training from the start."""


@dataclass(frozen=True)
class Facts:
    """One run at one moment. What cannot be read is None or empty, and ``missing`` says why."""

    run_id: str
    store: str
    taken: float
    submission: Submission | None
    spec: JobSpec | None
    state: RunState | None
    verdict: Verdict | None
    rows: tuple[Row, ...]
    """Those that count, in the order of training."""
    hidden: tuple[Row, ...]
    """Those of older attempts that a later one has trained again."""
    start: Mapping[str, Any] | None
    """The newest start row, with the trainer's configuration."""
    attempts: tuple[Trained, ...]
    events: tuple[dict[str, Any], ...]
    samples: samples.Samples
    missing: tuple[str, ...]

    @property
    def checklist(self) -> Checklist | None:
        """What the run is judged by: the spec's, at the rate of the model."""
        start = next((row for row in self.rows if row.kind == "start"), None)
        return fit(self.spec.checklist, rate_of(start) if start else None) if self.spec else None

    def validations(self) -> list[Row]:
        """The validation rows that count."""
        return [row for row in self.rows if row.kind == "validation"]


class _Missing:
    """Reads part by part: a part that cannot be read is named, and the page is made without it."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def read(self, part: Callable[[], T], otherwise: T) -> T:
        """What a part gives. A store that does not answer is no missing part: its error goes through."""
        try:
            return part()
        except (CannotTellError, UsageError) as error:
            self.note(str(error))
        return otherwise

    def note(self, said: str) -> None:
        """Names what is missing, once."""
        if said not in self.said:
            self.said.append(said)


def gather(run: Run, most_epochs: int = samples.MOST_EPOCHS) -> Facts:
    """Reads a run; also half a record, as far as it goes.

    Raises:
        StoreError: the store gives no answer.
    """
    missing = _Missing()
    submission = missing.read(run.submission, None)
    spec = missing.read(run.spec, None) if submission else None
    attempts = run.attempts()
    by_attempt = _read_rows(attempts, missing)
    rows = [row for own in by_attempt for row in own]
    counted = collate(rows)
    kept = {id(row) for row in counted}
    return Facts(
        run_id=run.run_id,
        store=run.store.url,
        taken=time.time(),
        submission=submission,
        spec=spec,
        state=missing.read(partial(_state, run, spec), None) if spec else None,
        verdict=judge(rows, attempts, spec) if spec else None,
        rows=tuple(counted),
        hidden=tuple(row for row in rows if id(row) not in kept and row.kind != "start"),
        start=start_row(run),
        attempts=tuple(_attempt(attempt, own, missing) for attempt, own in zip(attempts, by_attempt, strict=True)),
        events=tuple(_events(attempts, missing)),
        samples=samples.read(run, most_epochs, [attempt.prefix for attempt in attempts]),
        missing=tuple(missing.said),
    )


def _state(run: Run, spec: JobSpec) -> RunState:
    return look(run, finder(spec.provider), with_invoice=True)


def _read_rows(attempts: list[Attempt], missing: _Missing) -> list[list[Row]]:
    """The rows of each attempt, numbered as `Run.rows` does; says how many lines it could not use."""
    read: list[list[Row]] = []
    first, unreadable = 1, 0
    for attempt in attempts:
        parsed = parse(b"".join(piece for _, piece in attempt.segments("metrics")), first)
        read.append(list(parsed.rows))
        unreadable += parsed.unreadable
        first = parsed.rows[-1].attempt + 1 if parsed.rows else first
    if unreadable:
        missing.note(f"{unreadable} of the lines of rows are no JSON objects and are left out")
    return read


def _attempt(attempt: Attempt, rows: list[Row], missing: _Missing) -> Trained:
    claim = missing.read(attempt.claim, None)
    outcome = missing.read(attempt.outcome, None)
    first = next((row for row in rows if row.kind == "start"), None)
    resumed_at = first.step if first else None
    return Trained(attempt.number, claim=claim, outcome=outcome, rows=len(rows), resumed_at=resumed_at)


def _events(attempts: list[Attempt], missing: _Missing) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for attempt in attempts:
        nothing: list[dict[str, Any]] = []
        events = missing.read(attempt.events, nothing)
        found += [{"attempt": attempt.number, **event} for event in events]
    return sorted(found, key=lambda event: float(event["time"]))
