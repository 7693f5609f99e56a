"""What is remembered of files that were looked at, so that an unchanged folder is not decoded again.

A local convenience: it may be deleted at any time, and where it cannot be kept everything works without it.
"""

import os
import sqlite3
import time
from array import array
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import soundfile
import soxr

from codec.audio import ClipInfo

# A file that was changed so recently may be changed again without a new time: the clocks of file systems are coarse.
SETTLED_NS = 2_000_000_000
# What decoding depends on beside the file. The number is ours: it grows when `codec.audio` measures or decodes anew.
DECODER = f"1 soundfile {soundfile.__libsndfile_version__} soxr {soxr.__version__}"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    path BLOB, rate INTEGER, decoder TEXT, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
    sample_rate INTEGER, channels INTEGER, seconds REAL, rms REAL, peak REAL, dc REAL, clipped REAL,
    length INTEGER, sha256 TEXT, envelope BLOB,
    PRIMARY KEY (path, rate)
) WITHOUT ROWID
"""
_Row = tuple[Any, ...]
_FACTS = "sample_rate, channels, seconds, rms, peak, dc, clipped, length, sha256, envelope"


class ScanCache:
    """Facts of finite, usable clips by path, rate, size and times of the file."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def known(self, folder: Path, paths: list[Path], sample_rate: int) -> dict[Path, ClipInfo]:
        """The clips below a folder that are as they were when they were looked at, decoded to this rate."""
        place = os.fsencode(folder.resolve()) + b"/"
        rows = self._database.execute(
            f"SELECT path, size, mtime_ns, ctime_ns, {_FACTS} FROM clips "
            "WHERE rate = ? AND decoder = ? AND path > ? AND path < ?",
            (sample_rate, DECODER, place, place[:-1] + b"0"),
        )
        found = {path[len(place) :]: (tuple(stamp), facts) for path, *stamp, facts in map(_unpack, rows)}
        return dict(self._still_true(folder, paths, found))

    def remember(self, folder: Path, clip: ClipInfo, sample_rate: int, stat: os.stat_result) -> None:
        """Keep what was found in a file; `stat` is from before it was read."""
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) < SETTLED_NS:
            return
        path = os.fsencode(folder.resolve() / clip.path.relative_to(folder))
        facts = (clip.sample_rate, clip.channels, clip.seconds, clip.rms, clip.peak, clip.dc, clip.clipped)
        envelope = array("f", clip.envelope).tobytes()
        row = (path, sample_rate, DECODER, *_stamp(stat), *facts, clip.length, clip.sha256, envelope)
        self._database.execute(f"INSERT OR REPLACE INTO clips VALUES ({','.join('?' * len(row))})", row)

    def save(self) -> None:
        """Put what was remembered on disk."""
        self._database.commit()

    def _still_true(
        self, folder: Path, paths: list[Path], found: Mapping[bytes, tuple[tuple[int, ...], _Row]]
    ) -> Iterator[tuple[Path, ClipInfo]]:
        skip = len(os.fsencode(folder)) + 1
        for path in paths if found else ():
            row = found.get(os.fsencode(path)[skip:])
            if row is None:
                continue
            with suppress(OSError):
                if _stamp(path.stat()) == row[0]:
                    yield path, _clip(path, row[1])


@contextmanager
def open_scan_cache(folder: Path) -> Iterator[ScanCache]:
    """The cache in this folder; one in memory where the folder cannot be used."""
    with closing(_open(folder / "scan.sqlite")) as database:
        try:
            yield ScanCache(database)
        finally:
            with suppress(sqlite3.Error):
                database.commit()


def _open(path: Path) -> sqlite3.Connection:
    for again in (True, False):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, timeout=30)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(_SCHEMA)
            database.execute("SELECT count(*) FROM clips WHERE rate = 0")
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or not again:
                break
            with suppress(OSError):
                path.unlink()  # no database, or a damaged one
        except OSError:
            break
        else:
            return database
    database = sqlite3.connect(":memory:")
    database.execute(_SCHEMA)
    return database


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _unpack(row: _Row) -> tuple[bytes, int, int, int, _Row]:
    path, size, mtime, ctime, *facts = row
    return path, size, mtime, ctime, tuple(facts)


def _clip(path: Path, facts: _Row) -> ClipInfo:
    sample_rate, channels, seconds, rms, peak, dc, clipped, length, sha256, envelope = facts
    return ClipInfo(
        path=path, sample_rate=sample_rate, channels=channels, seconds=seconds, rms=rms, peak=peak, finite=True, dc=dc,
        clipped=clipped, length=length, sha256=sha256, envelope=array("f", envelope),
    )  # fmt: skip
