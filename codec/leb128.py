"""Numbers of streams in LEB128: seven bits a byte, the lowest first, the highest bit set while more follow."""

from typing import BinaryIO

MOST_DIGITS = 9
"""Bytes of a number, 63 bits. A forged one without end is none."""


def to_bytes(value: int) -> bytes:
    """The bytes of a number that is not negative."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def read(file: BinaryIO) -> int | None:
    """A number; None where the file ends in it, or where it has no end."""
    value = 0
    for digit in range(MOST_DIGITS):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << 7 * digit
        if byte[0] < 0x80:
            return value
    return None
