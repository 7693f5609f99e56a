"""Numbers as people write them in job.yaml: durations such as `90m` or `2 d`, and money."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

UNITS = {
    "d": 86400.0,
    "day": 86400.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
}
PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


def seconds_of(text: str) -> float | None:
    """Seconds of a duration with units, the largest first (`1h30m`, `2 d`, `90 minutes`); None for any other text."""
    total, position, smallest = 0.0, 0, float("inf")
    while position < len(text):
        part = PART.match(text, position)
        unit = part and UNITS.get(part[2], UNITS.get(part[2].removesuffix("s"), 0.0))
        if not part or not unit or unit >= smallest:
            return None
        total, position, smallest = total + float(part[1]) * unit, part.end(), unit
    return total if text.strip() else None


def _duration(value: Any, unit: float, example: str) -> Any:
    """A value in the key's own unit. Text without a unit is left to be read as a number."""
    if not isinstance(value, str) or _is_number(value):
        return value
    seconds = seconds_of(value)
    if seconds is None:
        raise ValueError(f"{example}, or with units such as 90m, 1h30m or 2 d, not {value!r}")
    return seconds / unit


def _hours(value: Any) -> Any:
    return _duration(value, 3600.0, "write a number of hours such as 1.5")


def _seconds(value: Any) -> Any:
    return _duration(value, 1.0, "write a number of seconds such as 900")


def _usd(value: Any) -> Any:
    if isinstance(value, str) and not _is_number(value):
        raise ValueError(f"write a plain number of USD such as 5 or 0.80, not {value!r}")
    return value


def _is_number(text: str) -> bool:
    """Whether pydantic reads a text as a number, or says itself why it is none."""
    try:
        float(text)
    except ValueError:
        return False
    return True


Positive = Annotated[float, Field(gt=0)]
Duration = Annotated[str, Field(pattern=r"^\s*(\d+(\.\d+)?\s*[a-z]+\s*)+$", examples=["90m", "1h30m", "2 d"])]
Hours = Annotated[Positive, BeforeValidator(_hours, json_schema_input_type=Positive | Duration)]
Seconds = Annotated[Positive, BeforeValidator(_seconds, json_schema_input_type=Positive | Duration)]
Usd = Annotated[Positive, BeforeValidator(_usd)]
