"""Files that are whole or absent, and JSON that any reader can parse."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from codec.errors import UserError


@contextmanager
def written(target: Path, force: bool) -> Iterator[Path]:
    """A path beside `target` to write to; it becomes `target` when the block ends well, else it is removed.

    Raises UserError where there is no place, or something is there already and not to be replaced.
    """
    if target.is_dir():
        raise UserError(f"{target}: is a folder; name a file")
    if target.exists() and not force:
        raise UserError(f"{target}: exists already; name another file, or replace it with --force")
    with replacing(target) as partial:
        try:
            partial.touch()
        except OSError as error:
            raise UserError(f"{target}: cannot be written ({error.strerror})") from error
        yield partial


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; a reader of `path` sees the old or the new content, never half of one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content as `replacing` does."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON in which NaN and the infinities, for which JSON has no number, are strings."""
    return json.dumps(_spelled(value), indent=indent, allow_nan=False, ensure_ascii=False)


def _spelled(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(item) for item in value]
    return value
