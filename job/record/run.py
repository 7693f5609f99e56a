"""A run's record in the store: who writes which key, and what is derived from them.

One writer per key; nothing is overwritten but beats, a stop request and the newest verdict. The run's state, its rows
and its newest checkpoint are derived by listing, never stored twice. docs/architecture.md lists the keys.
"""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from infra.store import NotFound, Store
from job.errors import CannotTellError, UsageError
from job.record.attempt import Attempt, CheckpointRef
from job.record.documents import VERSION, Submission, Version, encode
from job.spec.load import check_spec
from job.spec.model import JobSpec
from job.verdict.rows import Row, parse

# What every event has; the rest is what it was decided by.
COMMON = ("what", "by", "time", "attempt")


class Run:
    """A run's record."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self._pieces: dict[str, bytes] = {}
        """Pieces of rows and logs that were read, by key: a record that is looked at again and again is read once."""
        self._submission: Submission | None = None
        self._spec: JobSpec | None = None

    def submission(self) -> Submission:
        """What was asked. It is written once, and read once."""
        if self._submission is None:
            self._submission = self._read_submission()
        return self._submission

    def _read_submission(self) -> Submission:
        key = f"runs/{self.run_id}/spec.json"
        try:
            data = self.store.get(key)
            # First of all: nothing else of a newer record can be relied on.
            if (version := Version.model_validate_json(data).version) > VERSION:
                raise CannotTellError(
                    f"{self.store.url}: {key} was written by a newer codecjob (version {version} of the record; this "
                    f"one reads {VERSION}): upgrade codecjob on this machine"
                )
            return Submission.model_validate_json(data)
        except (NotFound, ValidationError) as error:
            raise CannotTellError(f"{self.store.url}: {key} cannot be read: the record is not complete") from error

    def spec(self) -> JobSpec:
        """The spec as it was resolved at submit."""
        if self._spec is None:
            self._spec = check_spec(self.submission().spec, f"runs/{self.run_id}/spec.json")
        return self._spec

    def max_cost_as_written(self) -> float | None:
        """The budget of a spec that cannot be read as a whole; None where there is none to be found."""
        try:
            cost = json.loads(self.store.get(f"runs/{self.run_id}/spec.json"))["spec"]["max_cost"]
            return None if cost is None else float(cost)
        except (NotFound, ValueError, KeyError, TypeError, RecursionError):
            return None

    def create(self, submission: Submission) -> None:
        """Writes spec.json; the run exists from here on."""
        if not self.store.create(f"runs/{self.run_id}/spec.json", encode(submission.model_dump())):
            raise UsageError(f"run {self.run_id} exists already: submit again for a name of its own")

    def exists(self) -> bool:
        """Whether it has been submitted: what a pod has left of a record that was removed is no run."""
        if self._submission is not None:
            return True
        try:
            self.store.get(f"runs/{self.run_id}/spec.json")
        except NotFound:
            return False
        return True

    def attempt(self, number: int) -> Attempt:
        """One attempt, whether it exists yet or not."""
        return Attempt(self.store, self.run_id, number, self._pieces)

    def attempts(self) -> list[Attempt]:
        """The attempts, oldest first."""
        parts = (f"runs/{self.run_id}/orders/", f"runs/{self.run_id}/attempts/")
        numbers = {int(name) for part in parts for name in self.store.folders(part) if name.isdecimal()}
        return [self.attempt(number) for number in sorted(numbers)]

    def rows(self, attempts: Iterable[Attempt] | None = None) -> list[Row]:
        """The rows of all attempts, as the checklist takes them."""
        rows: list[Row] = []
        for attempt in self.attempts() if attempts is None else attempts:
            data = b"".join(piece for _, piece in attempt.segments("metrics"))
            first = rows[-1].attempt + 1 if rows else 1
            rows += parse(data, first).rows
        return rows

    def checkpoints(self) -> list[CheckpointRef]:
        """The complete checkpoints of all attempts, in the order in which a resume tries them: most steps first."""
        found = [ref for attempt in self.attempts() for ref in attempt.checkpoints()]
        return sorted(found, key=lambda ref: (ref.step, ref.attempt), reverse=True)

    def newest_checkpoint(self) -> CheckpointRef | None:
        """What a resume restores if it verifies."""
        return next(iter(self.checkpoints()), None)


def run_events(run: Run) -> list[dict[str, Any]]:
    """The events of all attempts in the order of their times, each with its attempt's number."""
    found = [{"attempt": attempt.number, **event} for attempt in run.attempts() for event in attempt.events()]
    return sorted(found, key=lambda event: float(event["time"]))


def inputs(event: dict[str, Any]) -> dict[str, Any]:
    """What an event was decided by: everything but who, what and when."""
    return {name: value for name, value in event.items() if name not in COMMON}
