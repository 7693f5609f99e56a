"""One line of a metrics file as a JSON object, in the spellings that trainers produce."""

import ast
import json
import re
from typing import Any

_DECODER = json.JSONDecoder()
# Numbers that JSON does not have, as `print(dict)` writes them: nan, inf, -inf.
_BARE = re.compile(r"(?<=[:\[,\s])([+-]?(?:nan|inf|infinity))(?=\s*[,}\]])", re.IGNORECASE)
# Numbers inside the repr of their type: np.float32(0.5), tensor(0.5, device='cuda:0').
_WRAPPED = re.compile(r"\b(?:np\.|numpy\.|torch\.)?(?:float\d*|int\d*|tensor|array)\(([^(),]+)(?:,[^()]*)?\)")


def load_object(line: str) -> dict[str, Any] | None:
    """Return the object of a line, or None where the line holds none.

    Not only JSON is read but also a printed Python dict, and numbers that are bare ``nan`` or ``inf``.
    """
    try:
        # The half of json.loads that matters: a file may have a million lines.
        loaded, end = _DECODER.raw_decode(line)
        if end < len(line) and line[end:].strip():
            return None
    except (ValueError, RecursionError):
        loaded = _printed(line)
    return loaded if isinstance(loaded, dict) else None


def _printed(line: str) -> Any:
    text = line.strip()
    if not text.startswith("{") or not text.endswith("}"):
        return None
    text = _BARE.sub(r'"\1"', _WRAPPED.sub(r"\1", text))
    for load in (json.loads, ast.literal_eval):
        try:
            return load(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None
