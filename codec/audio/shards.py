"""Shards: many clips in one file, so that a store moves a few large objects instead of thousands of small ones.

A shard is a USTAR archive of WAV files that are named by the SHA-256 of their samples. `tar` lists and unpacks it, any
player plays what comes out, and WebDataset reads it as it is. Nothing in it is compressed, so the int16 samples of a
clip lie in the shard as training maps them. Its bytes depend on the clips and the rate alone: no time, no user.

USTAR: POSIX.1-2017, pax, "ustar Interchange Format". WAV: the canonical 44 bytes of RIFF header before the samples.
"""

import hashlib
import struct
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from codec.audio.errors import AudioError

TARGET_BYTES = 64 << 20
"""What a shard may hold of clips on average; most hold more than half of it."""
LONGEST = (1 << 32) // 2 - 64
"""Samples of the longest clip whose WAV header can say so."""

_BLOCK = 512
_WAV_HEADER = 44
_END = bytes(2 * _BLOCK)


@dataclass(frozen=True, order=True)
class Member:
    """One clip: the hash of its PCM and its samples."""

    sha256: str
    length: int


class ChangedClipError(AudioError):
    """What was read is not the clip that was announced: its file was changed meanwhile."""

    def __init__(self, member: Member) -> None:
        super().__init__(f"{member.sha256}: the clip was changed while it was being packed; try again")
        self.member = member


ReadSamples = Callable[[Member], Iterable[bytes]]


def group(members: Iterable[Member], target: int = TARGET_BYTES) -> list[list[Member]]:
    """Clips as shards, the same whatever their order; a clip is never cut.

    They are grouped by the first bits of their hashes. So one more clip changes one shard and not all that follow it,
    unless it brings one bit more.
    """
    distinct = sorted(set(members))
    shards = max(-(-sum(2 * member.length for member in distinct) // target), 1)
    bits = (shards - 1).bit_length()
    groups: dict[int, list[Member]] = defaultdict(list)
    for member in distinct:
        groups[int(member.sha256, 16) >> (256 - bits)].append(member)
    return list(groups.values())


def offsets(members: Sequence[Member]) -> list[int]:
    """Where in the shard, in bytes, the samples of each clip begin; they are even."""
    starts, at = [], 0
    for member in members:
        starts.append(at + _BLOCK + _WAV_HEADER)
        at += _BLOCK + _padded(_WAV_HEADER + 2 * member.length)
    return starts


def write_shard(path: Path, members: Sequence[Member], sample_rate: int, read: ReadSamples) -> str:
    """Write a shard; returns its SHA-256. `read` gives a clip's PCM in pieces.

    Raises ChangedClipError if what it gives is not the clip.
    """
    shard = hashlib.sha256()
    with path.open("wb") as file:

        def put(data: bytes) -> None:
            shard.update(data)
            file.write(data)

        for member in members:
            put(_tar_header(member) + _wav_header(member.length, sample_rate))
            pcm, size = hashlib.sha256(), 0
            for piece in read(member):
                pcm.update(piece)
                put(piece)
                size += len(piece)
            if (pcm.hexdigest(), size) != (member.sha256, 2 * member.length):
                raise ChangedClipError(member)
            written = _WAV_HEADER + size
            put(bytes(_padded(written) - written))
        put(_END)
    return shard.hexdigest()


def _tar_header(member: Member) -> bytes:
    info = tarfile.TarInfo(f"{member.sha256}.wav")
    info.size = _WAV_HEADER + 2 * member.length
    return info.tobuf(tarfile.USTAR_FORMAT)


def _wav_header(length: int, sample_rate: int) -> bytes:
    """Of mono 16-bit PCM."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + 2 * length, b"WAVE") + form + struct.pack("<4sI", b"data", 2 * length)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
