"""The stream of a front: a header of about 25 bytes, then blocks of about a second, each with a check sum of its own.

docs/container.md describes every byte. Pure format: bytes in, bytes out. A reader trusts nothing: whatever the bytes,
it ends in bounded time and memory with the blocks or with one `UserError`.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from codec import leb128
from codec.errors import UserError

MAGIC = b"\x8bCJ"  # the same as that of the streams of trained models, which are versions 1 and 2
VERSION = 3
MOST_CHANNELS = 255
MOST_RATE = 768_000  # Hz
MOST_LENGTH = 1 << 48  # samples
MOST_BLOCK = 1 << 18  # bytes
MOST_TENTHS = 10_000  # of a kbit/s
FILL_PARTS = 16  # of an amount of noise
_FIXED = struct.Struct("<3sB4sBBBB")
_CRC = struct.Struct("<I")
_CHECK_BYTES = 3  # of a block's check sum


@dataclass(frozen=True)
class Header:
    """What a stream says of itself."""

    tables: bytes  # 4: which tables it needs
    front: int  # which of the fronts
    fill: int  # of noise in empty bins, in 1/16
    channels: int  # of the audio file
    rate: int  # Hz, of the audio file
    length: int  # samples of each channel, at that rate
    tenths: int  # of a kbit/s, all channels together: the rate that was asked for, 0 if none
    gains: tuple[int, ...]  # of each coded channel, in 1/4 octaves: one where all channels are equal, else one each


class Writer:
    """Writes a stream to an open file."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._blocks = 0
        self.size = 0
        self._write(_header_bytes(header))

    def add(self, data: bytes) -> None:
        """The next block: those of all coded channels take turns."""
        self._write(leb128.to_bytes(len(data)) + _check(data, self._blocks) + data)
        self._blocks += 1

    def _write(self, data: bytes) -> None:
        self.size += len(data)
        self._file.write(data)


def version_of(path: Path) -> int | None:
    """The version of a stream of any codec of this project, None for another file.

    Raises UserError for a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return start[3] if start[:3] == MAGIC and len(start) == 4 else None


def read_header(path: Path, file: BinaryIO) -> Header:
    """The header; leaves `file` at its first block. Raises UserError if it is none that `Writer` has written."""
    wrong = UserError(f"{path}: its header is damaged; copy the stream again")
    start = file.read(_FIXED.size)
    if start[:4] != MAGIC + bytes([VERSION]):
        raise UserError(f"{path}: is no stream of codec encode")
    if len(start) < _FIXED.size:
        raise wrong
    _, _, tables, front, fill, channels, coded = _FIXED.unpack(start)
    numbers = [leb128.read(file) for _ in range(3)]
    gains = file.read(coded)
    check = file.read(_CRC.size)
    if None in numbers or len(gains) < coded or len(check) < _CRC.size:
        raise wrong
    rate, length, tenths = (number or 0 for number in numbers)
    header = Header(tables, front, fill, channels, rate, length, tenths, struct.unpack(f"<{coded}b", gains))
    if _header_bytes(header)[-_CRC.size :] != check:
        raise wrong
    fits = 0 < rate <= MOST_RATE and 0 < length <= MOST_LENGTH and tenths <= MOST_TENTHS and fill <= FILL_PARTS
    if not (fits and channels and coded in (1, channels)):
        raise UserError(f"{path}: its header is none that codec encode has written; encode it again")
    return header


def read_blocks(path: Path, file: BinaryIO, blocks: int, salvage: bool) -> Iterator[bytes | None]:
    """The bytes of all blocks, from an open file behind its header.

    Raises UserError at the first one that is damaged or missing; with `salvage` None stands in its place, and the
    blocks end where the file ends.
    """
    for index in range(blocks):
        size = leb128.read(file)
        if size is None or size > MOST_BLOCK:
            if salvage:
                return
            raise UserError(f"{path}: is truncated or damaged at block {index + 1} of {blocks}; copy it again")
        check, data = file.read(_CHECK_BYTES), file.read(size)
        if check == _check(data, index) and len(data) == size:
            yield data
        elif salvage:
            yield None
        else:
            raise UserError(f"{path}: is truncated or damaged at block {index + 1} of {blocks}; copy it again")
    if not salvage and file.read(1):
        raise UserError(f"{path}: goes on behind its end; copy it again")


def _header_bytes(header: Header) -> bytes:
    fixed = _FIXED.pack(MAGIC, VERSION, header.tables, header.front, header.fill, header.channels, len(header.gains))
    data = fixed + b"".join(map(leb128.to_bytes, (header.rate, header.length, header.tenths)))
    data += struct.pack(f"<{len(header.gains)}b", *header.gains)
    return data + _CRC.pack(zlib.crc32(data))


def _check(data: bytes, index: int) -> bytes:
    """A check sum of a block and its position, so that a lost or moved one is found."""
    return _CRC.pack(zlib.crc32(data, zlib.crc32(index.to_bytes(8, "little"))))[:_CHECK_BYTES]
