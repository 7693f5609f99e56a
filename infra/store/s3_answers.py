"""Headers of an S3 server's answers, each of which may be missing or odd.

Servers differ, and a proxy in between may drop any header. Nothing outside this module takes one for granted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class OddAnswerError(Exception):
    """A part of the answer that no S3 server leaves out is missing; the text names it."""


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one version of an object from the next, as far as the server says it."""

    etag: str | None
    modified: str | None
    """The Last-Modified header, in whole seconds."""
    total: int | None
    """Bytes of the whole object; None if the answer does not tell."""

    @property
    def strong_etag(self) -> str | None:
        """The ETag for a condition. A weak one, such as a proxy that compresses makes, matches nothing."""
        return None if self.etag is None or self.etag.startswith("W/") else self.etag

    def may_be(self, other: Version) -> bool:
        """Whether both can be the same version: nothing that both say differs."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        return all(one is None or another is None or one == another for one, another in pairs)


def version_of(answer: Mapping[str, Any]) -> Version:
    """The version of the object that GET or HEAD answered with."""
    modified = answer.get("LastModified")
    return Version(answer.get("ETag") or None, modified.isoformat() if modified else None, total_of(answer))


def start_of(answer: Mapping[str, Any]) -> int | None:
    """Position of the body's first byte in the object; None if the answer is a range and does not say which."""
    if not is_range(answer):
        return 0
    found = re.match(r"bytes (\d+)-", answer.get("ContentRange") or "")
    return int(found[1]) if found else None


def total_of(answer: Mapping[str, Any]) -> int | None:
    """Bytes of the whole object, of whatever range the answer is; None if it does not tell."""
    if is_range(answer):
        total = (answer.get("ContentRange") or "").rpartition("/")[2]
        return int(total) if total.isdigit() else None
    length = answer.get("ContentLength")
    return None if length is None else int(length)


def marks_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """The object's metadata, names in lower case: servers and proxies change their case."""
    return {str(name).lower(): str(text) for name, text in (answer.get("Metadata") or {}).items()}


def is_range(answer: Mapping[str, Any]) -> bool:
    """Whether the body may be a part of the object. `rclone serve s3` 1.75 says so in the header alone, with a 200."""
    return bool(answer.get("ContentRange")) or answer.get("ResponseMetadata", {}).get("HTTPStatusCode") == 206


def part_of(answer: Mapping[str, Any], name: str) -> Any:
    """A field that the protocol promises. Raises `OddAnswerError` where it is missing."""
    if answer.get(name) is None:
        raise OddAnswerError(name)
    return answer[name]
