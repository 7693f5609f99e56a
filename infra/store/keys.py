"""Which keys and prefixes are allowed: those that are safe as a file path and mean the same in every store."""

from __future__ import annotations

import re
import unicodedata

from infra.files import TEMP_PREFIX
from infra.store.base import InvalidKey

MAX_KEY_BYTES = 1024  # S3's limit
MAX_PART_BYTES = 255  # the limit of common file systems


def check_key(key: str) -> None:
    """Raise `InvalidKey` unless the key is a plain relative path that stays below the store's root."""
    if not key:
        raise InvalidKey("object key is empty; give it a name such as runs/1/spec.json")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in key):
        raise InvalidKey(f"object key {key!r} holds control characters or text that is not Unicode; use plain names")
    parts = key.split("/")
    if "\\" in key or any(re.match(r"[A-Za-z]:", part) for part in parts):
        raise InvalidKey(f"object key {key!r} looks like a Windows path; use relative names with / between them")
    if not parts[0] or not parts[-1]:
        raise InvalidKey(f"object key {key!r} starts or ends with /; use a relative name")
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidKey(f"object key {key!r} has a part that is empty, . or ..; use plain names")
    if any(part.startswith(TEMP_PREFIX) for part in parts):
        raise InvalidKey(f"object key {key!r} has a part that starts with {TEMP_PREFIX}, kept for unfinished files")
    longest = max(len(part.encode()) for part in parts)
    if longest > MAX_PART_BYTES or len(key.encode()) > MAX_KEY_BYTES:
        limits = f"at most {MAX_KEY_BYTES} bytes, {MAX_PART_BYTES} between two slashes"
        raise InvalidKey(f"object key {key[:60]!r}... is too long: {limits}")


def check_prefix(prefix: str) -> None:
    """Raise `InvalidKey` unless the prefix is "" or a good key followed by "/"."""
    if not prefix:
        return
    if not prefix.endswith("/"):
        raise InvalidKey(f"prefix {prefix!r} does not end with /; a prefix names a folder")
    check_key(prefix[:-1])
