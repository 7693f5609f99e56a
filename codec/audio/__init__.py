"""Finding, decoding, packing and splitting clips. Needs numpy, not torch."""

from codec.audio.errors import AudioError
from codec.audio.pack import Clip, Packed, pack
from codec.audio.read import SILENCE_RMS, ClipInfo, decode, inspect
from codec.audio.scan import find_audio
from codec.audio.split import split

__all__ = [
    "SILENCE_RMS",
    "AudioError",
    "Clip",
    "ClipInfo",
    "Packed",
    "decode",
    "find_audio",
    "inspect",
    "pack",
    "split",
]
