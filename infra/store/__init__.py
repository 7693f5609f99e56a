"""Object stores: `open_store` turns a URL into a `Store`."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.store.base import AccessDenied, InvalidKey, NotFound, ObjectInfo, Store, StoreError, StoreFull, Unavailable

__all__ = [
    "AccessDenied",
    "InvalidKey",
    "NotFound",
    "ObjectInfo",
    "Store",
    "StoreError",
    "StoreFull",
    "Unavailable",
    "check_writable",
    "open_store",
]


def open_store(url: str) -> Store:
    """Open a store: a folder's path (~ is the home), a file:// URL, or s3://bucket/prefix (see docs/storage.md).

    Touches nothing; the first write makes folders, but a bucket has to exist. Raises `StoreError` for a URL of no known
    store.
    """
    from infra.store.folder import FolderStore

    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", url)
    if scheme is None:
        return FolderStore(_folder(url))
    if scheme[1].lower() == "s3":
        from infra.store.s3 import S3Store

        return S3Store(url)
    # The message names the scheme only: the rest of a URL may hold credentials.
    if scheme[1].lower() != "file":
        raise StoreError(f"unknown store {scheme[1]}://...; known: a folder, file://, s3://")
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise StoreError(f"file://{parts.netloc}/... names another machine; write file:///folder with three slashes")
    return FolderStore(_folder(unquote(parts.path)))


def check_writable(store: Store) -> None:
    """Prove that the store can be used, by writing, reading and deleting a small object of its own.

    Raises the store's own error, with what was tried in front.
    """
    key, data = f"probe-{uuid.uuid4().hex}", uuid.uuid4().bytes
    step = "write to"
    try:
        store.put(key, data)
        step = "read back from"
        same = store.get(key) == data
        step = "delete from"
        store.delete(key)
    except StoreError as error:
        raise type(error)(f"cannot {step} store {store.url}: {error}") from error
    if not same:
        raise StoreError(f"store {store.url} gave back other bytes than were written; do not use it")


def _folder(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise StoreError("the store's name is empty or holds a NUL; give a folder or a file:// URL")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise StoreError(f"store {text}: this user has no home folder; write the path out") from error
