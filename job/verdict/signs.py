"""The words of a verdict: three states, signs as evidence, and their JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from job.verdict.hints import HINTS
from job.verdict.rows import Row, json_number


class State(StrEnum):
    """What a sign, or a run, is known to be. UNDECIDED never stops anything."""

    GOOD = "good"
    BAD = "bad"
    UNDECIDED = "undecided"


class Severity(StrEnum):
    """Whether a sign may stop a run. A warning is shown and never does: its state is never bad."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Sign:
    """One line of a verdict: the sign's name, its state, what was seen against what, and where.

    ``acts`` is False for a sign that was looked at but may not stop the run yet (before the checklist is decisive).
    ``hint`` says what the sign usually means and what to try; it is empty for a good sign.
    """

    sign: str
    state: State
    message: str
    value: float | None = None
    threshold: str = ""
    epoch: int | None = None
    step: int | None = None
    acts: bool = True
    severity: Severity = Severity.ERROR
    hint: str = ""

    @classmethod
    def at(cls, row: Row, sign: str, state: State, message: str, value: float | None, threshold: str) -> "Sign":
        """A sign that was seen at a row."""
        hint = "" if state is State.GOOD else HINTS.get(sign, "")
        return cls(sign, state, message, value, threshold, row.epoch, row.step, hint=hint)

    def as_warning(self) -> "Sign":
        """The same sign as one that never stops a run."""
        return replace(self, state=State.UNDECIDED, severity=Severity.WARNING)

    def muted(self) -> "Sign":
        """The same sign as one that does not act."""
        return replace(self, acts=False)


@dataclass(frozen=True)
class Verdict:
    """The run's verdict with its evidence and one sentence."""

    verdict: State
    signs: tuple[Sign, ...]
    summary: str

    @classmethod
    def bad(cls, signs: Sequence[Sign]) -> "Verdict":
        """BAD, for the bad ones among some signs. The first one's hint ends the summary: causes stand first."""
        bad = [sign for sign in signs if sign.state is State.BAD]
        said = "; ".join(sign.message for sign in bad)
        return cls(State.BAD, tuple(signs), f"{said}. {bad[0].hint}" if bad[0].hint else said)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: non-finite values become the strings that metric files use."""
        record = asdict(self)
        for sign in record["signs"]:
            if sign["value"] is not None:
                sign["value"] = json_number(sign["value"])
        return record
