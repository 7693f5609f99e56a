"""Files that are whole or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.touch()
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror})") from error
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
