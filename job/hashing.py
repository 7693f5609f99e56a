"""The hash by which a file's bytes are known."""

import hashlib
import os
from pathlib import Path

_CHUNK = 1 << 20


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
