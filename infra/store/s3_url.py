"""Which bucket, where and how: s3://bucket/prefix?endpoint=...&region=...&addressing=...&profile=..."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from infra.store.base import InvalidKey, StoreError
from infra.store.keys import check_key

SETTINGS = ("endpoint", "region", "addressing", "profile")
Addressing = Literal["path", "virtual"]
ADDRESSINGS: tuple[Addressing, ...] = get_args(Addressing)


@dataclass(frozen=True, slots=True)
class S3Location:
    """A store's place. What is None comes from AWS's own environment and config files."""

    bucket: str
    prefix: str
    """"" or a key followed by "/"."""
    endpoint: str | None = None
    """Scheme, host, port and path, such as https://host:9000 or https://host/storage/v1/s3."""
    region: str | None = None
    addressing: Addressing | None = None
    """Whether the bucket stands in the path or is part of the host's name."""
    profile: str | None = None

    @property
    def url(self) -> str:
        """The URL that `parse_s3_url` reads as this place; equal places have equal URLs."""
        given = [(name, value) for name in SETTINGS if (value := getattr(self, name))]
        query = f"?{urlencode(given, safe=':/', quote_via=quote)}" if given else ""
        return f"s3://{self.bucket}/{quote(self.prefix.removesuffix('/'))}".rstrip("/") + query


def parse_s3_url(url: str) -> S3Location:
    """Read an s3:// URL. Raises `StoreError` in words that repeat no value, since one may be a secret."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
    except ValueError:
        raise StoreError("this s3:// URL cannot be read; write s3://bucket/prefix?endpoint=https://host") from None
    if "@" in parts.netloc:
        raise StoreError("an s3:// URL holds no credentials: put them into AWS's environment or config files")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", parts.netloc) or parts.fragment:
        raise StoreError("this s3:// URL names no bucket; write s3://bucket/prefix, with %23 for # and %3F for ?")
    given = dict(pairs)
    unknown = sorted(name for name in given if name not in SETTINGS)
    if unknown or len(given) < len(pairs):
        what = f"the unknown setting {unknown[0]!r}" if unknown else "a setting twice"
        raise StoreError(f"the store s3://{parts.netloc} has {what} behind its ?; known: {', '.join(SETTINGS)}")
    addressing = next((style for style in ADDRESSINGS if style == given.get("addressing")), None)
    if given.get("addressing") and addressing is None:
        raise StoreError(f"the store s3://{parts.netloc} has an unknown addressing; known: {', '.join(ADDRESSINGS)}")
    return S3Location(
        parts.netloc,
        _prefix(parts.netloc, unquote(parts.path)),
        _endpoint(parts.netloc, given["endpoint"]) if given.get("endpoint") else None,
        given.get("region") or None,
        addressing,
        given.get("profile") or None,
    )


def _prefix(bucket: str, path: str) -> str:
    inner = path.strip("/")
    if not inner:
        return ""
    try:
        check_key(inner)
    except InvalidKey as error:
        raise StoreError(f"the store s3://{bucket} has a prefix that cannot be kept: {error}") from None
    return f"{inner}/"


def _endpoint(bucket: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/*", parts.path):
        raise StoreError(
            f"the store s3://{bucket} has a bad endpoint; write https://host, https://host:port or https://host/path"
        )
    if "@" in parts.netloc:
        raise StoreError("an endpoint holds no credentials: put them into AWS's environment or config files")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
