"""Decoded clips on their way from the look at a folder to its shards, so that each is decoded once.

A local convenience: what is not there is decoded again.
"""

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from codec.audio import ClipInfo
from codec.audio.read import Int16Array
from infra.files import sha256_of

STALE_SECONDS = 24 * 3600
_CHUNK = 1 << 20


class Spool:
    """A folder of PCM, each clip under the hash of its samples."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def keeping(self) -> Iterator[tuple[Callable[[Int16Array], object], Callable[[ClipInfo], None]]]:
        """(take, keep): `take` gets a clip's samples in pieces, `keep` files them. What is not kept is removed."""
        partial = self._folder / f"{uuid.uuid4().hex}.partial"
        file: BinaryIO | None = None
        failed = False

        def take(block: Int16Array) -> None:
            nonlocal file, failed
            try:
                if file is None:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    file = partial.open("wb")
                file.write(block.data)
            except OSError:  # a full disk only costs a second decoding
                failed = True

        def keep(clip: ClipInfo) -> None:
            if file is None or failed:
                return
            with suppress(OSError):
                file.close()
                partial.rename(self._place(clip.sha256))

        try:
            yield take, keep
        finally:
            if file is not None:
                with suppress(OSError):
                    file.close()
                with suppress(OSError):
                    partial.unlink(missing_ok=True)

    @contextmanager
    def room(self) -> Iterator[Path]:
        """An empty folder for the time being."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
        place = self._folder if os.access(self._folder, os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="codecjob-", dir=place) as name:
            yield Path(name)

    def read(self, sha256: str) -> Iterator[bytes] | None:
        """A clip's samples in pieces; None if they are not here."""
        place = self._place(sha256)
        try:
            if sha256_of(place) != sha256:
                place.unlink()
                return None
        except OSError:
            return None
        return _chunks(place)

    def forget(self, clips: Container[str]) -> None:
        """Remove the samples of these clips, by their hashes."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.name in clips:
                    path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what others have left behind long ago."""
        before = time.time() - STALE_SECONDS
        with suppress(OSError):
            for path in self._folder.iterdir():
                with suppress(OSError):
                    if path.stat().st_mtime < before:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _place(self, sha256: str) -> Path:
        return self._folder / sha256


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
