"""A store's identity: a random id that is created once in the store itself, and the URLs at which it is known.

Its mark begins the launch ids of the store's pods, so that two spellings of one store's URL mean the same pods, and
another store at the same URL means none of them. A copy of a store has its id too, and is noticed by its URL: nobody
ends anything from there until a person has confirmed that it is the store, and not a copy.
"""

import hashlib
import json
import secrets
import shlex
import weakref
from collections.abc import Iterable
from dataclasses import dataclass

from infra.pods import Pod
from infra.store import NotFound, Store
from job.errors import CannotTellError, UsageError
from job.record.documents import encode

KEY = "store.json"
CONFIRM = "codecjob doctor --confirm-store --store"

_known: "weakref.WeakKeyDictionary[Store, StoreId]" = weakref.WeakKeyDictionary()
"""An id never changes: it is read once of each opened store."""


@dataclass(frozen=True)
class StoreId:
    """What store.json says."""

    id: str
    urls: tuple[str, ...]
    """Where the store is, in every spelling that somebody has confirmed."""
    older: tuple[str, ...] = ()
    """Marks of pods that were launched before the store had an id."""

    @property
    def mark(self) -> str:
        """How the launch ids of its new pods begin."""
        return self.id[:8]

    @property
    def marks(self) -> tuple[str, ...]:
        """How the launch ids of all its pods begin."""
        return (self.mark, *self.older)


def mark_of(url: str) -> str:
    """The mark of a store that has no id yet."""
    return hashlib.sha256(url.encode()).hexdigest()[:8]


def marks_of(store: Store) -> tuple[str, ...]:
    """How the launch ids of a store's pods begin. Raises as `read` does."""
    identity = read(store)
    return (mark_of(store.url),) if identity is None else identity.marks


def place_of(url: str) -> str:
    """The URL without what says only how to get there: a profile, a region, the style of addresses."""
    base, _, query = url.partition("?")
    kept = "&".join(part for part in query.split("&") if part.startswith("endpoint="))
    return f"{base}?{kept}" if kept else base


def read(store: Store) -> StoreId | None:
    """The store's identity; None before its first run.

    Raises StoreError, and CannotTellError where the document cannot be read.
    """
    if (known := _known.get(store)) is not None and place_of(store.url) in known.urls:
        return known
    try:
        found = json.loads(store.get(KEY))
        identity = StoreId(str(found["id"]), tuple(map(str, found["urls"])), tuple(map(str, found.get("marks", ()))))
    except NotFound:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CannotTellError(f"{store.url}: {KEY} cannot be read: restore it from a backup") from error
    _known[store] = identity
    return identity


def settle(store: Store) -> StoreId:
    """The same, and gives the store an id where it has none. Of racing clients one wins.

    Raises:
        UsageError: the store is a copy, or known by another URL.
    """
    if read(store) is None:
        older = [mark_of(store.url)] if store.folders("runs/") else []
        store.create(KEY, encode({"id": secrets.token_hex(8), "urls": [place_of(store.url)], "marks": older}))
    identity = read(store)
    if identity is None:
        raise CannotTellError(f"{store.url}: does not give back {KEY}, which has just been written")
    try:
        check_place(store)
    except CannotTellError as error:
        raise UsageError(str(error)) from error
    return identity


def check_place(store: Store) -> None:
    """Make sure that pods may be ended from here.

    Raises:
        CannotTellError: nobody has said that the store at this URL is the one whose pods carry its mark.
    """
    identity = read(store)
    if identity is not None and place_of(store.url) not in identity.urls:
        raise CannotTellError(
            f"the store {store.url} is known as {', '.join(identity.urls)}: leave its runs alone if this is a "
            f"copy; if it is the store itself, `{CONFIRM} {shlex.quote(store.url)}` says so"
        )


def confirm(store: Store) -> StoreId:
    """Adds the store's URL to those that it is known by: a person has said that it is no copy.

    Raises UsageError where there is no store yet.
    """
    identity = read(store)
    if identity is None:
        raise UsageError(f"{store.url} has no {KEY}: nothing has been started from it, so there is nothing to confirm")
    urls = [*identity.urls, place_of(store.url)]
    if urls[-1] not in identity.urls:
        store.put(KEY, encode({"id": identity.id, "urls": urls, "marks": list(identity.older)}))
    return identity


def own_pods(store: Store, pods: Iterable[Pod]) -> list[Pod]:
    """Those of the pods that were launched for this store: the same run may lie in another one, too."""
    identity = read(store)
    return [pod for pod in pods if identity is None or pod.launch_id.startswith(identity.marks)]
