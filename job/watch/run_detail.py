"""What one run's record says beside its state: data, checkpoint, attempts, events. Read after the state, not stored."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from infra.store import StoreError
from job.errors import CannotTellError
from job.record.attempt import CheckpointRef
from job.record.run import Run, inputs, run_events
from job.run.seen import AttemptFacts
from job.run.state import RunState
from job.verdict.rows import Row, json_number

EVENTS = 8
"""How many of the newest are told; `codecjob events` has all."""


@dataclass(frozen=True)
class Data:
    """What it trains on. What records of before do not say is None."""

    dataset: str
    clips: int | None
    hours: float | None


@dataclass(frozen=True)
class Details:
    """One run at one moment, beside its `RunState`."""

    data: Data
    checkpoint: CheckpointRef | None
    """What a resume would begin with."""
    checkpoint_epoch: int | None
    attempts: tuple[AttemptFacts, ...]
    events: list[dict[str, Any]]
    """The newest, oldest first; those that cannot be read are left out with a word in `trouble`."""
    validations: list[Row]
    """Those that count, in the order of training."""
    trouble: str = ""

    def as_dict(self) -> dict[str, Any]:
        """What `codecjob status RUN --json` has beside the fields of the list (docs/reference.md)."""
        ref = self.checkpoint
        return {
            "data": asdict(self.data),
            "checkpoint": ref and {"step": ref.step, "epoch": self.checkpoint_epoch, "attempt": ref.attempt,
                                   "written": ref.written, "key": ref.prefix},
            "attempts": [_attempt(attempt) for attempt in self.attempts],
            "events": self.events,
            "history": [
                {"attempt": row.attempt, "epoch": row.epoch, "step": row.step,
                 **{name: None if (value := row.get(name)) is None else json_number(value) for name in HISTORY}}
                for row in self.validations
            ],
        }  # fmt: skip

    def series(self, name: str) -> list[float]:
        """A metric of all validations, as far as they have it."""
        return [value for row in self.validations if (value := row.get(name)) is not None]


HISTORY = ("loss", "snr_db", "amplitude", "correlation")


def look_closer(run: Run, state: RunState) -> Details:
    """Reads the rest of one run's record. ``state`` has all rows (`look` without a memory)."""
    submission = run.submission()
    checkpoints = run.checkpoints()
    newest = checkpoints[0] if checkpoints else None
    events: list[dict[str, Any]] = []
    trouble = ""
    try:
        events = run_events(run)[-EVENTS:]
    except (StoreError, CannotTellError) as error:
        trouble = str(error)
    return Details(
        data=Data(submission.dataset, submission.clips, _hours(submission.seconds, state.rows)),
        checkpoint=newest,
        checkpoint_epoch=next((row.epoch for row in state.validations if newest and row.step == newest.step), None),
        attempts=state.attempts,
        events=events,
        validations=state.validations,
        trouble=trouble,
    )


def said(event: dict[str, Any]) -> str:
    """What an event was decided by, in a few words."""
    reason = event.get("reason") or event.get("answer")
    return str(reason) if reason else ", ".join(f"{name} {value}" for name, value in inputs(event).items())


def _attempt(attempt: AttemptFacts) -> dict[str, Any]:
    """One attempt: its pod, and how it ended; times in Unix seconds."""
    claim, outcome = attempt.claim, attempt.outcome
    return {
        "attempt": attempt.number,
        "pod": claim.pod_id if claim else None,
        "gpu": (claim.gpu or None) if claim else None,
        "usd_per_hour": claim.price_per_hour if claim else None,
        "launched": claim.time if claim else None,
        "ended": outcome.time if outcome else None,
        "outcome": outcome.outcome if outcome else None,
        "reason": outcome.reason if outcome else None,
    }


def _hours(seconds: float | None, rows: list[Row]) -> float | None:
    """Of all clips; in records of before, of those that the trainer trains on."""
    if seconds is None:
        seconds = next((row.values["audio_seconds"] for row in rows if "audio_seconds" in row.values), None)
    return None if seconds is None or not math.isfinite(seconds) else round(seconds / 3600, 4)
