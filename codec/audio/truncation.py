"""Is the file as long as its container promises?

libsndfile believes the file over the header: half a WAV or half an Ogg file opens without a word
and just plays shorter, so an interrupted copy would train unseen. FLAC needs nothing here: a cut one
fails to decode. For MP3 see mp3.py.
"""

import struct
from pathlib import Path
from typing import BinaryIO

# Writers that can't seek back leave the length open; sox writes 0x7ffff000 and a little, others -1.
_LENGTH_UNKNOWN = 0x7FFFF000
_OGG_LAST_PAGE = 0x04
_OGG_LONGEST_PAGE = 27 + 255 + 255 * 255


def is_cut_short(path: Path) -> bool:
    """Whether a WAV (RIFF, RF64) or Ogg file ends before its container says; False for anything else."""
    with path.open("rb") as file:
        magic = file.read(4)
        if magic in (b"RIFF", b"RF64"):
            return _wav_is_cut_short(file)
        if magic == b"OggS":
            return _ogg_is_cut_short(file)
    return False


def _wav_is_cut_short(file: BinaryIO) -> bool:
    end = file.seek(0, 2)
    file.seek(8)
    if file.read(4) != b"WAVE":
        return False
    long_data_size = 0
    while len(header := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name == b"ds64":  # RF64: the real size of the data chunk, which says 0xffffffff itself
            sizes = file.read(size)
            long_data_size = int.from_bytes(sizes[8:16], "little")
            continue
        if name == b"data":
            promised: int = long_data_size if size == 0xFFFFFFFF else size
            return file.tell() + promised > end and (promised < _LENGTH_UNKNOWN or size == 0xFFFFFFFF)
        file.seek(size + size % 2, 1)
    return True  # no data chunk: the file ends within its header


def _ogg_is_cut_short(file: BinaryIO) -> bool:
    end = file.seek(0, 2)
    file.seek(max(0, end - _OGG_LONGEST_PAGE))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    segments = page[26]
    length = 27 + segments + sum(page[27 : 27 + segments])
    return length > len(page) or not page[5] & _OGG_LAST_PAGE
