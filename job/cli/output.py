"""What every command shares: errors as exit codes, JSON, the words for a number."""

import json
import math
import sys
from typing import Any

import click

GOOD, USAGE, CANNOT_TELL, UNDECIDED, BAD, BAD_AND_STOPPED, BAD_NOT_STOPPED = 0, 2, 3, 10, 20, 21, 22
INTERRUPTED = 130
"""By Ctrl-C, as shells have it: 128 and the signal's number."""


def exit_code_of(error: Exception) -> int | None:
    """2 for what the user can mend, 3 for no usable answer, None for a defect of codecjob's own."""
    from infra import engine, pods, store
    from job.errors import CannotTellError, UsageError

    if isinstance(error, (CannotTellError, store.Unavailable, pods.CannotTell, pods.Transient, engine.EngineDown)):
        return CANNOT_TELL
    if isinstance(error, (UsageError, store.StoreError, pods.ProviderError, engine.EngineError)):
        return USAGE
    audio = sys.modules.get("codec.audio")
    if audio is not None and isinstance(error, audio.AudioError):
        return USAGE
    return None


def print_json(document: Any) -> None:
    """One JSON document on stdout. A command that acts says `json_text` by `job.speech` instead."""
    click.echo(json_text(document))


def json_text(document: Any) -> str:
    """A document as commands print it."""
    return json.dumps(document, ensure_ascii=False, indent=2)


def number(value: float | None, digits: int = 2) -> str:
    """A metric in a table; a dash where there is none. What has blown up takes no more room than others."""
    if value is None:
        return "-"
    if math.isfinite(value) and abs(value) >= 1e5:
        return f"{value:.2g}"
    # Adding zero turns the -0.0 of a rounded small number into 0.0.
    return f"{round(value, digits) + 0.0:.{digits}f}" if math.isfinite(value) else str(value)


def duration(seconds: float) -> str:
    """Such as 45 s, 3.5 min or 2.1 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
