"""What every object store promises, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class StoreError(Exception):
    """The store could not do what it was asked; one line: what failed, where, how to mend it."""


class NotFound(StoreError):
    """There is no object under this key."""


class AccessDenied(StoreError):
    """The store refuses these credentials or this user."""


class StoreFull(StoreError):
    """The store has no room left, or the quota is used up."""


class InvalidKey(StoreError):
    """The key or prefix is not one that every store can hold (see `infra.store.keys`)."""


class Unavailable(StoreError):
    """The store did not answer properly; the same call may work later. It proves nothing about the objects."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One line of a listing."""

    key: str
    size: int
    """Bytes."""
    modified: float
    """Unix seconds by the store's clock, which need not be this machine's."""


class Store(Protocol):
    """A flat map from keys to bytes.

    Keys are relative paths with "/" between their parts. No key may be the folder of another, nor of one
    deleted earlier: with "a/b" there is never an "a". A prefix is "" or a key followed by "/".

    Every method raises `InvalidKey` for a bad key before it touches the store, and `AccessDenied`, `Unavailable`
    or plain `StoreError` when the store fails; writing methods also raise `StoreFull`. Trouble with a *local* file in
    `upload` and `download` is the caller's own and stays an `OSError`.

    A reader sees an object whole or not at all, also when its writer is killed, and sees it as soon as the writing
    call has returned. Any number of threads and processes may use a store at once.
    """

    @property
    def url(self) -> str:
        """What `open_store` needs to open the same store from any working directory; holds no secret."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing the old one if there is one."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless the key is taken.

        Of any number of racing callers exactly one gets True. A store that retries must not report its own first
        success as somebody else's.
        """
        ...

    def get(self, key: str) -> bytes:
        """Read a whole object. Raises `NotFound`."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects below a prefix, sorted by key (code points), fetched while they are consumed.

        A prefix without objects gives nothing. Objects that come or go during the listing may be missed.
        """
        ...

    def folders(self, prefix: str) -> Sequence[str]:
        """The names directly below a prefix that have objects below them, sorted; the cost is one listing of names."""
        ...

    def upload(self, path: Path, key: str) -> None:
        """`put` of a local file of any size, in constant memory."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Copy an object into a local file in constant memory, making parent folders. Raises `NotFound`.

        The file appears under its name only when it is complete; an existing one is replaced.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; silent when there is none."""
        ...

    def sweep(self, prefix: str, older_seconds: float) -> int:
        """Remove what killed writers have left below a prefix and is older than that; returns how many there were.

        No object is touched. What is younger may be a write that goes on.
        """
        ...
