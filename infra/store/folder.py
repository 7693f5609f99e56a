"""A store in a folder of the file system: each object is a file at its key."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from infra.files import TEMP_PREFIX, sync_folder, unpublished, write_atomic
from infra.store.base import AccessDenied, InvalidKey, NotFound, ObjectInfo, StoreError, StoreFull, Unavailable
from infra.store.keys import check_key, check_prefix

CHUNK_BYTES = 1 << 20

# The key is taken by a folder, or a part of it by an object: in a flat store no such object exists.
ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)

MENDS: dict[int, tuple[type[StoreError], str]] = {
    errno.EACCES: (AccessDenied, "give this user the right to read and write there"),
    errno.EPERM: (AccessDenied, "the folder has to be writable and its file system to know hard links"),
    errno.EROFS: (AccessDenied, "mount the file system writable or choose another folder"),
    errno.ENOSPC: (StoreFull, "free some space or choose another folder"),
    errno.EDQUOT: (StoreFull, "free some space or ask for a larger quota"),
    # What a network file system answers while its server is away.
    errno.EIO: (Unavailable, "check the disk or the network mount, then try again"),
    errno.ESTALE: (Unavailable, "check the network mount, then try again"),
    errno.ENOTCONN: (Unavailable, "check the network mount, then try again"),
    errno.ETIMEDOUT: (Unavailable, "check the network mount, then try again"),
    errno.EHOSTDOWN: (Unavailable, "check the network mount, then try again"),
    errno.ENOTDIR: (StoreError, "a file lies where a folder is needed: remove it or choose another folder"),
    errno.EISDIR: (StoreError, "a folder lies where a file is needed: remove it or choose another key"),
    errno.EEXIST: (StoreError, "a file lies where a folder is needed: remove it or choose another folder"),
}


class FolderStore:
    """The store below one folder, which need not exist yet. See `infra.store.base.Store` for the promises.

    The file system has to know hard links (for `create`). Symbolic links below the root are not listed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = root.as_uri()

    def put(self, key: str, data: bytes) -> None:
        """See `Store.put`."""
        check_key(key)
        self._write(key, [data])

    def create(self, key: str, data: bytes) -> bool:
        """See `Store.create`."""
        check_key(key)
        path = self.root / key
        with self._explained("write", key):
            self._refuse_links(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            with unpublished(path.parent, [data]) as temp:
                try:
                    # Unlike a rename, a hard link never replaces what is there.
                    path.hardlink_to(temp)
                except FileExistsError:
                    if path.is_dir():
                        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
                    return False
            sync_folder(path.parent)
        return True

    def get(self, key: str) -> bytes:
        """See `Store.get`."""
        check_key(key)
        return b"".join(self._read(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        check_prefix(prefix)
        return self._walk(prefix)

    def folders(self, prefix: str) -> Sequence[str]:
        """See `Store.folders`."""
        check_prefix(prefix)
        names = sorted(name for name, is_folder in self._entries(prefix) if is_folder)
        # A folder can be empty, after a delete or a killed writer; then it is no part of any key.
        return [name for name in names if any(True for _ in self._walk(f"{prefix}{name}/"))]

    def upload(self, path: Path, key: str) -> None:
        """See `Store.upload`."""
        check_key(key)
        with path.open("rb") as file:
            self._write(key, _chunks(file))

    def download(self, key: str, path: Path) -> None:
        """See `Store.download`."""
        check_key(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, self._read(key))

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        check_key(key)
        with self._explained("delete", key), suppress(*ABSENT):
            self._refuse_links(key)
            (self.root / key).unlink()

    def sweep(self, prefix: str, older_seconds: float) -> int:
        """See `Store.sweep`."""
        check_prefix(prefix)
        before, swept = time.time() - older_seconds, 0
        with self._explained("clean", prefix):
            for path in (self.root / prefix).rglob(f"{TEMP_PREFIX}*"):
                with suppress(*ABSENT):
                    if path.is_file() and path.stat().st_mtime < before:
                        path.unlink()
                        swept += 1
        return swept

    def _write(self, key: str, chunks: Iterable[bytes]) -> None:
        path = self.root / key
        with self._explained("write", key):
            self._refuse_links(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, chunks)

    def _read(self, key: str) -> Iterator[bytes]:
        with self._explained("read", key):
            try:
                self._refuse_links(key)
                file = _open_regular(self.root / key)
            except ABSENT as error:
                raise NotFound(f"no object {key} in store {self.root}") from error
        with file:
            chunks = _chunks(file)
            while True:
                with self._explained("read", key):
                    chunk = next(chunks, b"")
                if not chunk:
                    return
                yield chunk

    def _walk(self, prefix: str) -> Iterator[ObjectInfo]:
        # A folder sorts as its name with the slash, as its objects' keys do: "a-b" < "a/c" < "a0".
        for name in sorted(f"{name}/" if is_folder else name for name, is_folder in self._entries(prefix)):
            key = prefix + name
            if name.endswith("/"):
                yield from self._walk(key)
                continue
            with self._explained("list", key):
                try:
                    found = (self.root / key).lstat()
                except ABSENT:
                    continue
            yield ObjectInfo(key, found.st_size, found.st_mtime)

    def _entries(self, prefix: str) -> Iterator[tuple[str, bool]]:
        """The (name, is a folder) pairs directly below a prefix, unsorted."""
        with self._explained("list", prefix):
            try:
                self._refuse_links(f"{prefix}x")
                with os.scandir(self.root / prefix) as entries:
                    for entry in entries:
                        is_folder = entry.is_dir(follow_symlinks=False)
                        if not is_folder and not entry.is_file(follow_symlinks=False):
                            continue
                        if _is_name(entry.name):
                            yield entry.name, is_folder
            except ABSENT:
                if self.root.exists() and not self.root.is_dir():
                    raise

    def _refuse_links(self, key: str) -> None:
        """Nothing is read or written through a link below the root: a pod that shares the folder may have made it.

        Raises NotADirectoryError.
        """
        folder = self.root
        for part in key.split("/")[:-1]:
            folder /= part
            if folder.is_symlink():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    @contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind, mend = MENDS.get(error.errno or 0, (StoreError, "check the folder"))
            reason = error.strerror or type(error).__name__
            raise kind(f"cannot {verb} {key or 'objects'} in store {self.root}: {reason}; {mend}") from error


def _open_regular(path: Path) -> BinaryIO:
    """Opens a file, and nothing that could keep its reader waiting or lead elsewhere: no pipe, no device, no link.

    Raises FileNotFoundError for those, too: no object is there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return os.fdopen(descriptor, "rb")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _is_name(name: str) -> bool:
    """Whether a file is the store's own: others' odd names and unfinished files are no objects."""
    try:
        check_key(name)
    except InvalidKey:
        return False
    return True
