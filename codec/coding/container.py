"""The stream that `codec encode` writes: a header of about 30 bytes, bit-packed codes, a check sum.

docs/container.md describes every byte. Pure format: bytes in, bytes out, no torch. What the header does not
say (the model's rate, its hop, the bits of a code) belongs to the model that the header names.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from codec import leb128
from codec.codes import BLOCK_FRAMES, Codes
from codec.coding.packing import Fixed, Varying
from codec.errors import UserError

MAGIC = b"\x8bCJ"  # no text starts like this
FIXED, VARYING = 1, 2  # versions of the layout: every frame has as many codes, or as many as its count says
ID_BYTES = 8
MOST_CHANNELS = 255
_FIXED = struct.Struct(f"<3sB{ID_BYTES}sBBB")
_CRC = struct.Struct("<I")
_READ = 1 << 20

Packing = Fixed | Varying


@dataclass(frozen=True)
class Header:
    """What a stream says of itself."""

    model: bytes  # ID_BYTES of it
    channels: int  # of the audio file
    stages: int  # codes of a frame, on average where frames differ
    rate: int  # Hz, of the audio file
    length: int  # samples of each channel, at that rate
    gains: tuple[float, ...]  # one for each coded channel: one for all where they are equal, else one each
    varying: bool = False  # whether frames differ in their number of codes


class Writer:
    """Writes a stream to an open file; blocks of codes may follow each other for hours."""

    def __init__(self, file: BinaryIO, header: Header, packing: Packing) -> None:
        self._file = file
        self._packing = packing
        self._crc = 0
        self.size = 0
        self._write(_header_bytes(header))

    def add(self, codes: Codes) -> None:
        """A block of codes [channels, stages, frames]; but for the last, of BLOCK_FRAMES."""
        self._write(self._packing.pack(codes))

    def finish(self) -> None:
        """Close with the check sum."""
        self._write(_CRC.pack(self._crc))

    def _write(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self.size += len(data)
        self._file.write(data)


def read_header(path: Path, file: BinaryIO) -> Header:
    """The header of a stream that is whole; leaves `file` at its first code.

    Reads the file once to its end for the check sum, in constant memory. Raises UserError if this is
    no stream, one of a version that is not known, or damaged.
    """
    start = file.read(4)
    if not start:
        raise UserError(f"{path}: is an empty file; copy the stream again")
    if start[:3] != MAGIC:
        raise UserError(f"{path}: is no stream of codec encode")
    if len(start) == 4 and start[3] not in (FIXED, VARYING):
        raise UserError(
            f"{path}: is a stream of version {start[3]}, this codecjob reads {FIXED} and {VARYING}; update it"
        )
    file.seek(0)
    if not _is_whole(file):
        raise UserError(f"{path}: is truncated or damaged (its check sum is wrong); copy it again")
    file.seek(0)
    _, version, model, channels, coded, stages = _FIXED.unpack(file.read(_FIXED.size))
    rate, length = leb128.read(file), leb128.read(file)
    if not rate or not length:
        raise UserError(f"{path}: its header is none that codec encode has written; copy or encode it again")
    gains = struct.unpack(f"<{coded}f", file.read(4 * coded))
    return Header(model, channels, stages, rate, length, gains, version == VARYING)


def read_codes(path: Path, file: BinaryIO, packing: Packing, frames: int) -> Iterator[Codes]:
    """The codes [channels, stages, ≤ BLOCK_FRAMES] of all frames, from an open file behind its header.

    Raises UserError if the stream has not as many codes as its header says.
    """
    wrong = UserError(f"{path}: does not hold the {frames} frames that its header announces")
    start = file.tell()
    end = file.seek(0, 2) - _CRC.size
    if isinstance(packing, Fixed) and end - start != packing.size(frames):
        raise wrong
    file.seek(start)
    for first in range(0, frames, BLOCK_FRAMES):
        try:
            yield packing.read(file, min(BLOCK_FRAMES, frames - first))
        except (EOFError, ValueError) as error:
            raise wrong from error
    if file.tell() != end:
        raise wrong


def _header_bytes(header: Header) -> bytes:
    fixed = _FIXED.pack(
        MAGIC, VARYING if header.varying else FIXED, header.model, header.channels, len(header.gains), header.stages
    )
    gains = struct.pack(f"<{len(header.gains)}f", *header.gains)
    return fixed + leb128.to_bytes(header.rate) + leb128.to_bytes(header.length) + gains


def _is_whole(file: BinaryIO) -> bool:
    size = file.seek(0, 2)
    if size < _FIXED.size + _CRC.size:
        return False
    file.seek(0)
    crc, left = 0, size - _CRC.size
    while left:
        data = file.read(min(_READ, left))
        crc, left = zlib.crc32(data, crc), left - len(data)
    return file.read(_CRC.size) == _CRC.pack(crc)
