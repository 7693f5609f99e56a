"""Files that appear whole or not at all, also when the writer is killed or the power fails; and the hash of one."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

TEMP_PREFIX = ".tmp-"
"""How the names of unfinished files begin."""
_CHUNK = 1 << 20


def write_atomic(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file beside its final name and move it there, replacing what was there. Raises OSError."""
    with unpublished(path.parent, chunks) as temp:
        temp.replace(path)
    sync_folder(path.parent)


@contextmanager
def unpublished(folder: Path, chunks: Iterable[bytes]) -> Iterator[Path]:
    """A new file in the folder, safely on disk, for the caller to publish under its name; else it is removed."""
    temp = folder / f"{TEMP_PREFIX}{uuid.uuid4().hex}"
    try:
        with temp.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        yield temp
    finally:
        temp.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put a folder's new names on disk, so that they outlive a power failure."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_part(file: int, start: int, size: int) -> str:
    """The SHA-256 of `size` bytes of an open file (its descriptor) from `start` on, or of what there is of them."""
    content = hashlib.sha256()
    for at in range(start, start + size, _CHUNK):
        content.update(os.pread(file, min(_CHUNK, start + size - at), at))
    return content.hexdigest()
