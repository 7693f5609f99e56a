"""Small PNG images of one palette. Source: the PNG specification, third edition (W3C), sections 5 and 11."""

import struct
import zlib

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
INDEXED = 3
"""Colour type: each sample is an index into the palette."""


def encode(pixels: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> bytes:
    """An image of ``pixels`` [rows, columns], each an index into ``palette`` [colours <= 256, 3] of RGB."""
    rows, columns = pixels.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, INDEXED, 0, 0, 0)
    # Each line begins with the number of its filter; 0 is none, which suits indices best.
    lines = np.hstack([np.zeros((rows, 1), np.uint8), pixels]).tobytes()
    parts = ((b"IHDR", header), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
