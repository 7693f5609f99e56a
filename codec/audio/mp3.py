"""How long an MP3 file is. The format has no field for it: writers add a Xing tag, or leave it to be guessed.

libsndfile guesses from the bit rate of the first frame, and reads no further than its guess.
Frame headers: ISO 11172-3 section 2.4.1.3 and ISO 13818-3, layer III.
"""

from pathlib import Path

# kbit/s by the header's four bits; 0 is "free format", which hardly exists.
_KBITS_MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_MPEG1 = (44100, 48000, 32000)  # Hz; MPEG 2 has half of it, MPEG 2.5 a quarter


def has_length_tag(path: Path) -> bool:
    """Whether the first frame is a Xing or Info tag, so that a decoder knows the length."""
    with path.open("rb") as file:
        file.seek(_first_frame(file.read(10)))
        frame = file.read(200)
    return b"Xing" in frame or b"Info" in frame


def count_samples(path: Path) -> int:
    """Samples per channel in the complete frames, counted up to the first thing that is no frame."""
    content = path.read_bytes()
    at = _first_frame(content[:10])
    samples = 0
    while frame := _frame(content[at : at + 4]):
        size, frame_samples = frame
        if at + size > len(content):
            break
        at += size
        samples += frame_samples
    return samples


def _first_frame(head: bytes) -> int:
    """Where the audio starts: behind an ID3v2 tag, whose size has seven bits a byte."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    a, b, c, d = head[6:]
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def _frame(header: bytes) -> tuple[int, int] | None:
    """(bytes, samples) of the layer III frame with this header; None if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version = header[1] >> 3 & 3  # 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5
    kbits, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or kbits in (0, 15) or rate == 3:
        return None
    if version == 3:
        return 144000 * _KBITS_MPEG1[kbits] // _RATES_MPEG1[rate] + padding, 1152
    divisor = 2 if version == 2 else 4
    return 72000 * _KBITS_MPEG2[kbits] // (_RATES_MPEG1[rate] // divisor) + padding, 576
