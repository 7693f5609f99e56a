"""The audit trail of a whole run: who decided what, when, and by what."""

from typing import Any

from job.record.run import Run

# What every event has; the rest is what it was decided by.
COMMON = ("what", "by", "time", "attempt")


def run_events(run: Run) -> list[dict[str, Any]]:
    """The events of all attempts in the order of their times, each with its attempt's number."""
    found = [{"attempt": attempt.number, **event} for attempt in run.attempts() for event in attempt.events()]
    return sorted(found, key=lambda event: float(event["time"]))


def inputs(event: dict[str, Any]) -> dict[str, Any]:
    """What an event was decided by: everything but who, what and when."""
    return {name: value for name, value in event.items() if name not in COMMON}
