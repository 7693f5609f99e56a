"""Numbers as metric files spell them: JSON numbers, numbers in strings, percents, NaN and infinity by many names."""

import math
import re
from typing import Any

# "NaN", "Infinity" and "-Infinity" are the trainer's own spelling; the others are what str() and printf make of them.
NON_FINITE = {"nan": math.nan, "inf": math.inf, "infinity": math.inf}
NON_FINITE |= {f"-{name}": -value for name, value in NON_FINITE.items()}
_UNIT = re.compile(r"\s*(%|dbfs|db|s|hz)$")
# Digits alone: float() also takes underscores, which no trainer writes.
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")


def json_number(value: float) -> float | str:
    """A number as the metric files write it: non-finite ones as strings that any JSON reader can read."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def number(raw: Any) -> float | None:
    """Return the number that a JSON value, a cell or a printed word stands for; None where it stands for none.

    A percentage is returned as a share: "47.2%" is 0.472. Units such as dB are left out. Booleans are no numbers.
    """
    if isinstance(raw, float):
        return raw
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int):
        try:
            return float(raw)
        except OverflowError:
            return math.inf if raw > 0 else -math.inf
    return _from_text(raw) if isinstance(raw, str) else None


def is_percent(raw: Any) -> bool:
    """Whether a value says itself that it is a percentage."""
    return isinstance(raw, str) and raw.rstrip().endswith("%")


def _from_text(raw: str) -> float | None:
    text = raw.strip().lower()
    unit = _UNIT.search(text)
    scale = 0.01 if unit and unit[1] == "%" else 1.0
    text = (text[: unit.start()] if unit else text).removeprefix("+")
    if text in NON_FINITE:
        return NON_FINITE[text]
    return float(text) * scale if _PLAIN.fullmatch(text) else None
