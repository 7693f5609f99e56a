"""Decode one file: any rate and channel count in, mono float32 at one rate out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from codec.audio.errors import AudioError
from codec.audio.mp3 import count_samples, has_length_tag
from codec.audio.truncation import is_cut_short

# Crops below -50 dBFS are never trained or measured on: normalization would only amplify noise.
SILENCE_RMS = 10 ** (-50 / 20)

Float32Array = npt.NDArray[np.float32]
Int16Array = npt.NDArray[np.int16]

_BLOCK = 1 << 18  # frames decoded at a time, so that an hour of stereo never lies in memory whole
_MP3_SLACK = 2 * 1152  # frames an encoder's delay and padding may take from the announced length


def decode(path: Path, sample_rate: int) -> Float32Array:
    """The whole file as a mono mix at `sample_rate` Hz: float32 [T], full scale 1.0.

    Raises AudioError if the file is not audio, truncated, empty or holds non-finite samples.
    """
    with opened(path) as file:
        return np.concatenate(list(decoded_blocks(path, file, sample_rate)))


def decoded_blocks(path: Path, file: soundfile.SoundFile, sample_rate: int) -> Iterator[Float32Array]:
    """What `decode` gives, in pieces, so that an hour of audio needs no more memory than a second."""
    nothing = True
    resampler = Resampler(file.samplerate, sample_rate)
    for block in mono_blocks(path, file):
        if not np.isfinite(block).all():
            raise not_finite(path)
        piece = resampler.feed(block)
        nothing = nothing and not len(piece)
        yield piece
    rest = resampler.rest()
    if nothing and not len(rest):
        raise shorter_than_a_sample(path, sample_rate)
    yield rest


def not_finite(path: Path) -> AudioError:
    """The error about a clip that can't be trained on for its NaN or infinite samples."""
    return AudioError(f"{path}: holds NaN or infinite samples; export it again as 16-bit wav or flac")


def shorter_than_a_sample(path: Path, sample_rate: int) -> AudioError:
    """The error about a clip of which resampling leaves nothing."""
    return AudioError(f"{path}: is shorter than one sample at {sample_rate} Hz; remove it")


class Resampler:
    """Turns blocks at one rate into blocks at another; the same rate passes through untouched.

    Blocks are [T], or [T, channels] where more channels than one are asked for.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int = 1) -> None:
        same = rate_in == rate_out
        self._nothing = np.zeros((0, channels) if channels > 1 else 0, np.float32)
        self._stream = None if same else soxr.ResampleStream(rate_in, rate_out, channels, dtype="float32")

    def feed(self, block: Float32Array) -> Float32Array:
        """What is ready after this block."""
        return block if self._stream is None else np.asarray(self._stream.resample_chunk(block))

    def rest(self) -> Float32Array:
        """What was held back, once there are no more blocks."""
        if self._stream is None:
            return self._nothing
        return np.asarray(self._stream.resample_chunk(self._nothing, last=True))


def opened(path: Path) -> soundfile.SoundFile:
    """The file, ready to be read from its start. Raises AudioError if that can't work."""
    try:
        if path.stat().st_size == 0:
            raise AudioError(f"{path}: is an empty file; copy it again or remove it")
        cut_short = is_cut_short(path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror}); mend or remove it") from None
    if cut_short:
        raise _truncated(path)
    try:
        return soundfile.SoundFile(path)
    except soundfile.SoundFileError:
        # libsndfile's own words mislead here: it says "does not exist" of a text file named .mp3.
        raise AudioError(f"{path}: is not audio that can be decoded; remove it, or convert it to wav or flac") from None


def mono_blocks(path: Path, file: soundfile.SoundFile) -> Iterator[Float32Array]:
    """The file's mono mix in blocks [≤ _BLOCK]; raises AudioError where the file breaks off."""
    for block in channel_blocks(path, file):
        yield block.mean(axis=1, dtype=np.float32)


def channel_blocks(path: Path, file: soundfile.SoundFile) -> Iterator[Float32Array]:
    """The file in blocks [≤ _BLOCK, channels]; raises AudioError where it breaks off."""
    return _blocks(path, file, "float32")


def holds_int16(file: soundfile.SoundFile, sample_rate: int) -> bool:
    """Whether the file's own samples are the mono int16 at this rate (Hz) that decoding would come to."""
    return bool(file.subtype == "PCM_16" and file.channels == 1 and file.samplerate == sample_rate)


def int16_file_blocks(path: Path, file: soundfile.SoundFile) -> Iterator[Int16Array]:
    """Such a file's samples in blocks [≤ _BLOCK]; raises AudioError where it breaks off."""
    return (block[:, 0] for block in _blocks(path, file, "int16"))


def _blocks(path: Path, file: soundfile.SoundFile, dtype: str) -> Iterator[npt.NDArray[Any]]:
    done = 0
    while True:
        try:
            block = file.read(_BLOCK, dtype=dtype, always_2d=True)
        except soundfile.SoundFileError:
            raise _truncated(path) from None
        if not len(block):
            break
        done += len(block)
        yield block
    _check_length(path, file, done)
    if not done:
        raise AudioError(f"{path}: holds no samples; copy it again or remove it")


def _check_length(path: Path, file: soundfile.SoundFile, done: int) -> None:
    if file.format != "MP3":
        if done < file.frames:
            raise _truncated(path)
    elif has_length_tag(path):
        if done < file.frames - _MP3_SLACK:
            raise _truncated(path)
    elif done < count_samples(path) - _MP3_SLACK:
        # libsndfile took the bit rate of the first frame for that of all, and stopped too early.
        raise AudioError(f"{path}: has a variable bit rate but no length tag; convert it to wav or flac")


def _truncated(path: Path) -> AudioError:
    return AudioError(f"{path}: is truncated or damaged; copy it again or remove it")
