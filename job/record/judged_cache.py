"""What a run's rows say, and a memory of it: rows that have not grown are neither read nor judged again.

The memory is a cache of this machine. It trusts nothing but this machine's own judgement of the same rows, by the same
code and the same checklist, and may be deleted at any time.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from infra.files import write_atomic
from infra.store import Store
from job.paths import cache_folder
from job.record.attempt import Attempt
from job.record.find import submission_order
from job.record.run import Run
from job.spec.model import JobSpec
from job.verdict.checklist import evaluate
from job.verdict.forecast import Forecast, forecast
from job.verdict.pace import Pace, pace
from job.verdict.rows import Row, collate
from job.verdict.signs import State, Verdict

MOST = 2000
"""Runs that are remembered of one store, the newest."""

JUDGING = [Path(__file__).parents[1] / room for room in ("verdict", "spec", "record")]
"""The rooms whose code decides what rows say."""


@dataclass(frozen=True)
class Judged:
    """What is derived from all rows of a run."""

    verdict: Verdict
    pace: Pace
    validation: Row | None
    """The newest validation row that counts."""
    epochs: int | None
    """What the trainer has said that it was asked for."""
    forecast: Forecast | None = None
    """Of the end of the plan; None where the rows do not allow one, or the run is BAD."""


@dataclass(frozen=True)
class _Known:
    mark: str
    judged: Judged


_FILE = TypeAdapter(dict[str, _Known])


def judge(rows: list[Row], attempts: Sequence[Attempt], spec: JobSpec) -> Verdict:
    """The verdict of a run's rows, unless its newest attempt has none yet: it may hide what condemned the last one."""
    if len(attempts) > 1 and rows and not attempts[-1].last_sequence("metrics"):
        return Verdict(State.UNDECIDED, (), f"attempt {attempts[-1].number} has not begun to train")
    return evaluate(rows, spec.checklist)


def judge_rows(rows: list[Row], attempts: Sequence[Attempt], spec: JobSpec) -> Judged:
    """Everything that the rows say."""
    counting = collate(rows)
    validations = [row for row in counting if row.kind == "validation"]
    verdict = judge(rows, attempts, spec)
    epochs = [row.values["num_epochs"] for row in counting if row.kind == "start" and "num_epochs" in row.values]
    return Judged(
        verdict=verdict,
        pace=pace(rows),
        validation=validations[-1] if validations else None,
        epochs=int(epochs[-1]) if epochs else None,
        forecast=None if verdict.verdict is State.BAD else forecast(counting, spec.checklist),
    )


class Memory:
    """What the rows of a store's runs have been judged to be."""

    def __init__(self, store: Store) -> None:
        self._path = cache_folder() / "judged" / f"{hashlib.sha256(store.url.encode()).hexdigest()[:16]}.json"
        self._code = _code()
        self._known = self._read()
        self._changed = False

    def judged(self, run: Run, attempts: Sequence[Attempt], spec: JobSpec) -> Judged:
        """`judge_rows` of a run's rows as they are in the record now. Safe to call from several threads."""
        mark = self._mark(attempts, spec)
        known = self._known.get(run.run_id)
        if known is None or known.mark != mark:
            known = _Known(mark, judge_rows(run.rows(attempts), attempts, spec))
            self._known[run.run_id] = known
            self._changed = True
        return known.judged

    def save(self) -> None:
        """For the next command. A cache that cannot be written is no reason to fail."""
        if not self._changed:
            return
        newest = sorted(self._known, key=submission_order)[-MOST:]
        document = _FILE.dump_python({run_id: self._known[run_id] for run_id in newest})
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, [json.dumps(document).encode()])
        self._changed = False

    def _read(self) -> dict[str, _Known]:
        try:
            return _FILE.validate_python(json.loads(self._path.read_bytes()))
        except (OSError, ValueError):  # none yet, or of another version: it is a cache
            return {}

    def _mark(self, attempts: Iterable[Attempt], spec: JobSpec) -> str:
        """Pieces are only ever added to: what has the same sizes has the same rows."""
        sizes = [[attempt.number, [[n, info.size] for n, info in attempt.listed("metrics")]] for attempt in attempts]
        text = json.dumps([self._code, spec.checklist.model_dump_json(), sizes])
        return hashlib.sha256(text.encode()).hexdigest()


def _code() -> str:
    """Which code judges: files, their sizes and times. So a changed rule forgets what the old one has said."""
    files = sorted(path for room in JUDGING for path in room.rglob("*.py"))
    stats = [(str(path), path.stat()) for path in files]
    return hashlib.sha256(repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]).encode()).hexdigest()
