"""Decode a folder once into a single int16 array that training maps into memory.

Decoding and resampling a file for every crop is what starves a GPU, and 100 hours at 16 kHz are
only 11.5 GB as int16.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codec.audio.errors import UserError
from codec.audio.read import decode
from codec.audio.scan import find_audio

FULL_SCALE = 32768  # what libsndfile divides 16-bit samples by, so that those come back bit for bit

Int16Array = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Clip:
    """One file's place in the packed samples."""

    name: str  # relative to the folder, with forward slashes
    offset: int  # first sample
    length: int  # samples
    sha256: str  # of the PCM: clips that sound the same have the same


@dataclass(frozen=True)
class Packed:
    """A folder's audio at one rate: `samples` int16 [T], read-only, mapped from disk."""

    samples: Int16Array
    clips: tuple[Clip, ...]
    sample_rate: int


def pack(
    folder: Path,
    cache_dir: Path,
    sample_rate: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """The folder's audio, decoded on the first call and reused while its files stay the same.

    `on_progress(done, total)` is called after each clip that had to be decoded. The result appears in
    `cache_dir` all at once, under a name made from the content of the files; an error or a full disk
    leaves nothing behind. Raises AudioError for a clip that can't be used, UserError when the cache
    can't be written.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in find_audio(folder)}
    try:
        finished = cache_dir / _content_name(paths, sample_rate)
        with _one_packer_at_a_time(cache_dir):
            if not finished.exists():
                _build(finished, paths, sample_rate, on_progress)
        return _load(finished, sample_rate)
    except OSError as error:
        raise UserError(
            f"{cache_dir}: the decoded audio cannot be kept there ({error.strerror}); "
            "make room or choose another folder"
        ) from error


def to_int16(audio: npt.NDArray[np.float32]) -> Int16Array:
    """Full scale ±1.0 to int16; what lies beyond is clipped, never wrapped around."""
    return np.clip(np.rint(audio * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _content_name(paths: dict[str, Path], sample_rate: int) -> str:
    content = hashlib.sha256()
    for name, path in paths.items():
        content.update(f"{name}\0{_file_hash(path)}\0".encode(errors="surrogateescape"))
    return f"{content.hexdigest()[:32]}-{sample_rate}"


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"  # decode() will say it in full


@contextmanager
def _one_packer_at_a_time(cache_dir: Path) -> Iterator[None]:
    """Two runs may share a cache; the lock goes with its holder, however that ends."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(
    finished: Path,
    paths: dict[str, Path],
    sample_rate: int,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    partial = finished.with_name(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # a killed packer's: we hold the lock, so it's nobody's
    partial.mkdir()
    try:
        clips = []
        with (partial / "samples.int16").open("wb") as file:
            for name, path in paths.items():
                pcm = to_int16(decode(path, sample_rate))
                clips.append(Clip(name, file.tell() // 2, len(pcm), hashlib.sha256(pcm.data).hexdigest()))
                file.write(pcm.data)
                if on_progress:
                    on_progress(len(clips), len(paths))
            file.flush()
            os.fsync(file.fileno())
        table = json.dumps([asdict(clip) for clip in clips], indent=1)
        (partial / "clips.json").write_text(table, encoding="utf-8")
        partial.rename(finished)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _load(finished: Path, sample_rate: int) -> Packed:
    table = json.loads((finished / "clips.json").read_text(encoding="utf-8"))
    samples = np.memmap(finished / "samples.int16", dtype="<i2", mode="r")
    return Packed(samples, tuple(Clip(**row) for row in table), sample_rate)
