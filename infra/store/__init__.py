"""Object stores: `open_store` turns a URL into a `Store`."""

from __future__ import annotations

import re
import unicodedata
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
    "store_name",
]


def open_store(url: str) -> Store:
    """Open a store: a folder's path (~ is the home), a file:// URL, or s3://bucket/prefix (see docs/storage.md).

    Touches nothing; the first write makes folders, but a bucket has to exist. Raises `StoreError` for a URL of no known
    store, and for what is neither a URL nor plainly a path.
    """
    from infra.store.folder import FolderStore

    url = store_name(url)
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


def store_name(text: str) -> str:
    """A store's name without the spaces around it. Raises `StoreError` for what is neither a URL nor plainly a path."""
    name = text.strip()
    if fault := _mangled(name):
        raise StoreError(f"the store's name {fault}; write s3://bucket/prefix, /folder or ./folder")
    return name


def check_writable(store: Store) -> None:
    """Prove that the store can be used, by writing, reading and deleting small objects of its own.

    Also tries once whether `create` leaves the first object alone. Raises the store's own error, with what was tried
    in front.
    """
    name, data = f"probe-{uuid.uuid4().hex}", uuid.uuid4().bytes
    key, first = name, f"{name}-first"
    step = "write to"
    try:
        store.put(key, data)
        step = "read back from"
        same = store.get(key) == data
        step = "create an object in"
        won = [store.create(first, data), store.create(first, data[::-1])]
        kept = store.get(first) == data
        step = "delete from"
        store.delete(first)
        store.delete(key)
    except StoreError as error:
        raise type(error)(f"cannot {step} store {store.url}: {error}") from error
    if not same:
        raise StoreError(f"store {store.url} gave back other bytes than were written; do not use it")
    if won != [True, False] or not kept:
        raise StoreError(f"store {store.url} lets a second writer win, so two pods could train one run; do not use it")


QUOTES = "\"'`<>\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
INVISIBLE = "\ufeff\u200b\u2060\u200e\u200f"


def _mangled(url: str) -> str:
    """What shows that this was to be another name, such as a URL with the quotes of a shell; "" if nothing does.

    The words repeat nothing of the name: it may hold credentials.
    """
    plain = url.startswith(("/", "./", "../", "~")) or re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", url)
    ends = url[:1] + url[-1:]
    faults = {
        "is empty or holds a NUL": not url or "\0" in url,
        "begins or ends with a quotation mark": any(sign in QUOTES for sign in ends),
        "holds a line break or a sign that cannot be seen": any(unicodedata.category(sign) == "Cc" for sign in url)
        or any(sign in INVISIBLE for sign in ends),
        "begins with a variable that nobody has filled in": url.startswith(("$", "%")),
        "has a colon where a path has none": not plain and (":" in url.partition("/")[0] or "://" in url),
        "lacks the colon before its //": not plain and re.match(r"(s3|file|https?|gs|r2|b2)//", url, re.IGNORECASE),
        "has settings of a bucket but does not begin with s3://": not plain
        and re.search(r"\?(endpoint|region|addressing|profile)=", url),
    }
    return next((words for words, found in faults.items() if found), "")


def _folder(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise StoreError("the store's name is empty or holds a NUL; give a folder or a file:// URL")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise StoreError(f"store {text}: this user has no home folder; write the path out") from error
