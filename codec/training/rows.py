"""Rows of metrics as JSON lines that any reader can parse."""

import time
from pathlib import Path
from typing import Any

from codec.files import to_json


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
