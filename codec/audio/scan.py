"""Find the audio files of a folder."""

import os
from pathlib import Path
from typing import NoReturn

from codec.audio.errors import AudioError

EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3")


def find_audio(folder: Path) -> list[Path]:
    """Every .wav, .flac, .ogg and .mp3 (any case) below `folder`, sorted.

    Hidden files and folders are skipped. Linked folders are not entered; linked files count, and a
    broken link too: decoding it will name it, where skipping it would lose a clip unseen.
    Raises AudioError if the folder is missing, is a file, is empty, can't be read or has no audio.
    """
    if not folder.exists():
        raise AudioError(f"{folder}: no such folder; check the path")
    if not folder.is_dir():
        raise AudioError(f"{folder}: is a file; give the folder that holds the clips")
    found: list[Path] = []
    empty = True
    for parent, subfolders, names in os.walk(folder, onerror=_unreadable):
        empty = empty and not subfolders and not names
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [
            Path(parent, name) for name in names if not name.startswith(".") and name.lower().endswith(EXTENSIONS)
        ]
    if empty:
        raise AudioError(f"{folder}: the folder is empty; put {_kinds()} files into it")
    if not found:
        raise AudioError(f"{folder}: no audio in it; it needs {_kinds()} files")
    return sorted(found)


def _unreadable(error: OSError) -> NoReturn:
    raise AudioError(f"{error.filename}: cannot be read ({error.strerror}); mend its permissions") from None


def _kinds() -> str:
    return f"{', '.join(EXTENSIONS[:-1])} or {EXTENSIONS[-1]}"
