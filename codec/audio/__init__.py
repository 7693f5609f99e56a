"""Finding, decoding, packing and splitting clips. Needs numpy, not torch."""

from codec.audio.errors import AudioError
from codec.audio.measure import ClipInfo, inspect
from codec.audio.pack import Clip, Packed, crop_counts, pack, steps_per_epoch
from codec.audio.read import SILENCE_RMS, decode
from codec.audio.scan import find_audio
from codec.audio.skipped import Skipped
from codec.audio.split import split

__all__ = [
    "SILENCE_RMS",
    "AudioError",
    "Clip",
    "ClipInfo",
    "Packed",
    "Skipped",
    "crop_counts",
    "decode",
    "find_audio",
    "inspect",
    "pack",
    "split",
    "steps_per_epoch",
]
