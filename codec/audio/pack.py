"""Decode a folder once into a single int16 array that training maps into memory.

Decoding and resampling a file for every crop is what starves a GPU, and 100 hours at 16 kHz are
only 11.5 GB as int16.

On disk, packed audio is a folder of two files: SAMPLES, int16 in little-endian order, and TABLE, which says where in
it each clip lies. TABLE is written last. Whoever already has such a folder trains on it without decoding anything.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from codec.audio.errors import AudioError, UserError
from codec.audio.read import Int16Array, decoded_blocks, holds_int16, int16_file_blocks, opened
from codec.audio.scan import find_audio
from codec.audio.skipped import Skipped, refuse_too_many, skipped

SAMPLES, TABLE = "samples.int16", "clips.json"
FORMAT = 2
FULL_SCALE = 32768  # what libsndfile divides 16-bit samples by, so that those come back bit for bit


@dataclass(frozen=True)
class Clip:
    """One file's place in the packed samples."""

    name: str  # relative to the folder, with forward slashes
    offset: int  # first sample
    length: int  # samples
    sha256: str  # of the PCM: clips that sound the same have the same


@dataclass(frozen=True)
class Packed:
    """A folder's audio at one rate: `samples` int16 [T], read-only, mapped from disk.

    What lies between the clips is not audio and belongs to nobody.
    """

    samples: Int16Array
    clips: tuple[Clip, ...]
    sample_rate: int
    skipped: tuple[Skipped, ...] = ()  # clips of the folder that can't be used


def pack(
    folder: Path,
    cache_dir: Path,
    sample_rate: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """The folder's audio, decoded on the first call and reused while its files stay the same.

    A folder that holds packed audio is mapped as it is, and `cache_dir` is not used. `on_progress(done, total)` is
    called after each clip that had to be decoded. The result appears in `cache_dir` all at once, under a name made
    from the content of the files; an error or a full disk leaves nothing behind. A clip that can't be used is in
    `skipped` instead of `clips`.

    Raises AudioError for too many such clips (`codec.audio.skipped`) and for packed audio that is broken or of another
    rate, UserError when the cache can't be written.
    """
    if is_packed(folder):
        return load(folder, sample_rate)
    paths = {path.relative_to(folder).as_posix(): path for path in find_audio(folder)}
    try:
        finished = cache_dir / _content_name(paths, sample_rate)
        with _one_packer_at_a_time(cache_dir):
            if not finished.exists():
                _build(finished, folder, paths, sample_rate, on_progress)
        return load(finished, sample_rate)
    except OSError as error:
        raise UserError(
            f"{cache_dir}: the decoded audio cannot be kept there ({error.strerror}); "
            "make room or choose another folder"
        ) from error


def is_packed(folder: Path) -> bool:
    """Whether the folder holds packed audio and not the clips themselves."""
    return (folder / TABLE).is_file() and (folder / SAMPLES).is_file()


def load(folder: Path, sample_rate: int) -> Packed:
    """Map the folder's packed audio. Raises AudioError if it is incomplete or of another rate (Hz)."""
    broken = f"{folder}: the packed audio in it is incomplete or damaged; fetch it again"
    try:
        table = json.loads((folder / TABLE).read_text(encoding="utf-8"))
        clips = tuple(Clip(**row) for row in table["clips"])
        left_out = tuple(Skipped(**row) for row in table.get("skipped", []))
        samples = np.memmap(folder / SAMPLES, dtype="<i2", mode="r")
        rate, form = table["sample_rate"], table["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise AudioError(broken) from error
    if form != FORMAT or any(not 0 <= clip.offset <= len(samples) - clip.length for clip in clips):
        raise AudioError(broken)
    if rate != sample_rate:
        raise AudioError(f"{folder}: holds audio packed at {rate} Hz, not {sample_rate}; pack it again at that rate")
    return Packed(samples, clips, sample_rate, left_out)


def write_table(folder: Path, clips: Iterable[Clip], sample_rate: int, left_out: Iterable[Skipped] = ()) -> None:
    """Declare what lies in the folder's SAMPLES, which has to be on disk already, and what is missing there."""
    table = {
        "format": FORMAT,
        "sample_rate": sample_rate,
        "clips": [asdict(clip) for clip in clips],
        "skipped": [asdict(clip) for clip in left_out],
    }
    partial = folder / f".{TABLE}"
    partial.write_text(json.dumps(table, ensure_ascii=False, indent=1), encoding="utf-8")
    partial.rename(folder / TABLE)


def crop_counts(clips: Sequence[Clip], segment: int) -> list[int]:
    """Crops of each clip in one epoch, ceil(length / segment): a clip shorter than a segment is one crop."""
    return [-(-clip.length // segment) for clip in clips]


def steps_per_epoch(clips: Sequence[Clip], segment: int, batch_size: int) -> int:
    """Steps of one pass over the duration of the clips."""
    return -(-sum(crop_counts(clips, segment)) // batch_size)


def int16_blocks(path: Path, sample_rate: int) -> Iterator[Int16Array]:
    """A file's PCM in pieces [T], as it is packed. Raises AudioError as `decode` does."""
    with opened(path) as file:
        if holds_int16(file, sample_rate):
            yield from int16_file_blocks(path, file)
        else:
            yield from (to_int16(block) for block in decoded_blocks(path, file, sample_rate))


def to_int16(audio: npt.NDArray[np.float32]) -> Int16Array:
    """Full scale ±1.0 to int16; what lies beyond is clipped, never wrapped around."""
    return np.clip(np.rint(audio * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _content_name(paths: dict[str, Path], sample_rate: int) -> str:
    content = hashlib.sha256()
    for name, path in paths.items():
        content.update(f"{name}\0{_file_hash(path)}\0".encode(errors="surrogateescape"))
    return f"{content.hexdigest()[:32]}-{sample_rate}-{FORMAT}"


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
    folder: Path,
    paths: dict[str, Path],
    sample_rate: int,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    partial = finished.with_name(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # a killed packer's: we hold the lock, so it's nobody's
    partial.mkdir()
    try:
        clips, left_out = [], []
        with (partial / SAMPLES).open("wb") as file:
            for done, (name, path) in enumerate(paths.items(), start=1):
                try:
                    clips.append(_append(file, name, path, sample_rate))
                except AudioError as error:
                    left_out.append(skipped(name, path, error))
                if on_progress:
                    on_progress(done, len(paths))
            refuse_too_many(folder, left_out, len(paths))
            file.flush()
            os.fsync(file.fileno())
        write_table(partial, clips, sample_rate, left_out)
        partial.rename(finished)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _append(file: BinaryIO, name: str, path: Path, sample_rate: int) -> Clip:
    """Write a clip's PCM behind the others; of one that breaks off with an AudioError, nothing stays."""
    start, pcm_hash = file.tell(), hashlib.sha256()
    try:
        for block in int16_blocks(path, sample_rate):
            pcm_hash.update(block.data)
            file.write(block.data)
    except AudioError:
        file.seek(start)
        file.truncate()
        raise
    return Clip(name, start // 2, (file.tell() - start) // 2, pcm_hash.hexdigest())
