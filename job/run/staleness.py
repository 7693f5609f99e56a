"""Whether a part of a live run has fallen silent: pure functions over beats, and a counter of looks.

Silence needs two things, time and a number of looks: a machine that was asleep, or a store that answered slowly, must
not turn a good run into a dead one. What nobody looked at is not counted.
"""

from dataclasses import asdict, dataclass
from typing import Any

from job.record.documents import Progress
from job.spec.model import Watch
from job.verdict.pace import Pace

# What one look can prove at most: between two looks that lie further apart, the looker itself may have been stopped.
MOST_PER_LOOK_SECONDS = 5.0
# Looks that must all find the same silence.
LOOKS = 3
DONE = "done"
# What a phase may take, in multiples of `watch.silent`.
PHASES = {"preparing": 6, "compiling": 6, "training": 1, "validating": 2, "saving": 2, DONE: 2}
OVERDUE_LEAST = 6  # a validation is never overdue before so many times `watch.silent`


def budget(watch: Watch, phase: str) -> float:
    """Seconds that the training loop may be silent in a phase; for a phase of another trainer, the largest there is."""
    return watch.silent * PHASES.get(phase, max(PHASES.values()))


@dataclass(frozen=True)
class Silence:
    """A training loop that does not beat any more."""

    phase: str
    seconds: float
    allowed: float
    step: int | None
    epoch: int | None

    def __str__(self) -> str:
        where = "before its first beat" if self.step is None else f"at epoch {self.epoch}, step {self.step}"
        return (
            f"the training loop hung: no beat for {self.seconds:.0f} s while {self.phase} {where} "
            f"(allowed: {self.allowed:g} s)"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


class LoopWatch:
    """Looks at a training loop's beat again and again, from beside it."""

    def __init__(self, watch: Watch, now: float) -> None:
        """``now`` is the start of the trainer, by a clock that never jumps."""
        self.watch = watch
        self.beat: Progress | None = None
        self.looked_at = now
        self.silent = 0.0
        self.looks = 0

    def look(self, beat: Progress | None, now: float) -> Silence | None:
        """The silence, once it is longer than its phase allows."""
        passed, self.looked_at = now - self.looked_at, now
        if beat is not None and beat != self.beat:
            self.beat, self.silent, self.looks = beat, 0.0, 0
            return None
        self.silent += min(passed, MOST_PER_LOOK_SECONDS)
        self.looks += 1
        phase = self.beat.phase if self.beat else "preparing"
        allowed = budget(self.watch, phase)
        if self.silent <= allowed or self.looks < LOOKS:
            return None
        step, epoch = (self.beat.step, self.beat.epoch) if self.beat else (None, None)
        return Silence(phase, self.silent, allowed, step, epoch)


def overdue(pace: Pace, watch: Watch) -> str | None:
    """What to say of a live run that trains on and on without a validation row; nothing before epochs have a time."""
    if pace.epoch_seconds is None:
        return None
    waited, allowed = pace.unvalidated_seconds, max(watch.overdue * pace.epoch_seconds, OVERDUE_LEAST * watch.silent)
    if waited <= allowed:
        return None
    return (
        f"no validation row for {waited:.0f} s of training, where an epoch takes about {pace.epoch_seconds:.0f} s "
        f"(allowed: {allowed:.0f} s)"
    )
