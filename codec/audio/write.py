"""Audio files written in pieces, in any format that libsndfile has."""

from collections.abc import Iterable
from pathlib import Path

import soundfile

from codec.audio.errors import UserError
from codec.audio.read import Float32Array
from codec.audio.scan import EXTENSIONS


def check_kind(path: Path) -> str:
    """The suffix of a path that audio is to be written to; raises UserError for a format that is not known."""
    kind = path.suffix.lower()
    if kind not in EXTENSIONS:
        raise UserError(f"{path}: can't tell a format from its name; end it with {', '.join(EXTENSIONS)}")
    return kind


def write(path: Path, kind: str, pieces: Iterable[Float32Array], rate: int, channels: int) -> None:
    """Write pieces [channels, any]; the suffix `kind` says the format. 16 bits where the format counts them."""
    try:
        file = soundfile.SoundFile(path, "w", rate, channels, format=kind.removeprefix(".").upper())
    except soundfile.SoundFileError as error:
        raise UserError(f"{kind} can't hold {channels} channels at {rate} Hz ({error}); choose .wav") from error
    try:
        with file:
            for piece in pieces:
                file.write(piece.T)
    except (soundfile.SoundFileError, AssertionError) as error:
        # libsndfile doesn't say why it wrote less than it was given, and soundfile has only an assertion for that.
        raise UserError("the audio cannot be written: the disk is full or fails; make room and run it again") from error
