"""Rows of metrics as JSON lines that any reader can parse."""

import json
import math
import time
from pathlib import Path
from typing import Any


class RowWriter:
    """Appends rows to a file; each is complete on disk's side of the process once `write` returns."""

    def __init__(self, path: Path) -> None:
        # A killed writer may have left half a line: it stays its own line, the next row starts a new one.
        torn = path.exists() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
        self._file = path.open("a", encoding="utf-8")
        if torn:
            self._file.write("\n")

    def write(self, kind: str, step: int, epoch: int, **fields: Any) -> dict[str, Any]:
        """Append a row and return it. `epoch` counts completed epochs."""
        row = {"kind": kind, "step": step, "epoch": epoch, "time": time.time(), **fields}
        self._file.write(to_json(row) + "\n")
        self._file.flush()
        return row

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON in which NaN and the infinities, for which JSON has no number, are strings."""
    return json.dumps(_spelled(value), indent=indent, allow_nan=False, ensure_ascii=False)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content; a reader sees the old or the new text, never half of one."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _spelled(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(item) for item in value]
    return value
