"""How codes lie in a stream, bit by bit: frame by frame, in it channel by channel, in it stage by stage."""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from codec.codes import ABSENT, Codes, count_bits


@dataclass(frozen=True)
class Fixed:
    """Every frame has all stages."""

    channels: int
    stages: int
    bits: int  # of a code

    def size(self, frames: int) -> int:
        """Bytes of so many frames."""
        return -(-frames * self.channels * self.stages * self.bits // 8)

    def pack(self, codes: Codes) -> bytes:
        """codes [channels, stages, frames] -> bytes, the highest bit first, zeros up to the last byte's end."""
        return _to_bytes(codes.transpose(2, 0, 1).reshape(-1), self.bits)

    def read(self, file: BinaryIO, frames: int) -> Codes:
        """The inverse, from where `file` stands. Raises EOFError where it ends first."""
        values = _read(file, frames * self.channels * self.stages, self.bits)
        return values.reshape(frames, self.channels, self.stages).transpose(1, 2, 0)


@dataclass(frozen=True)
class Varying:
    """A frame of a channel has as many stages as its count says. First the counts of all frames, then the codes."""

    channels: int
    stages: int  # at most
    bits: int  # of a code

    def pack(self, codes: Codes) -> bytes:
        """codes [channels, stages, frames], ABSENT from some stage on -> bytes: counts, zero bits, codes, zero bits."""
        frames_first = codes.transpose(2, 0, 1)
        counts = (frames_first != ABSENT).sum(2).reshape(-1)
        return _to_bytes(counts, count_bits(self.stages)) + _to_bytes(frames_first[frames_first != ABSENT], self.bits)

    def read(self, file: BinaryIO, frames: int) -> Codes:
        """The inverse. Raises EOFError where `file` ends first, ValueError for a count that can't be."""
        counts = _read(file, frames * self.channels, count_bits(self.stages))
        if counts.max(initial=0) > self.stages:
            raise ValueError("more stages than there are")
        codes = np.full((frames * self.channels, self.stages), ABSENT, np.int64)
        present = np.arange(self.stages) < counts[:, None]
        codes[present] = _read(file, int(counts.sum()), self.bits)
        return codes.reshape(frames, self.channels, self.stages).transpose(1, 2, 0)


def _to_bytes(values: Codes, bits: int) -> bytes:
    digits = values[:, None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(digits.astype(np.uint8)).tobytes()


def _read(file: BinaryIO, count: int, bits: int) -> Codes:
    size = -(-count * bits // 8)
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    digits = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits)
    return np.asarray(digits.reshape(-1, bits) @ (1 << np.arange(bits - 1, -1, -1)), np.int64)
