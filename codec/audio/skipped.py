"""Clips that can't be used: each is named and left out, and too many of them are the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codec.audio.errors import AudioError

# More than this share of a folder's clips is no accident of one file: something made them that should be mended.
MOST = 0.01
NAMED = 10  # in one line


@dataclass(frozen=True)
class Skipped:
    """A clip that was left out, and why: what is wrong; how to mend it."""

    name: str  # relative to the folder, with forward slashes
    complaint: str

    def __str__(self) -> str:
        return f"{self.name}: skipped, {self.complaint}"


def skipped(name: str, path: Path, error: AudioError) -> Skipped:
    """What is kept of a clip's error."""
    return Skipped(name, str(error).removeprefix(f"{path}: "))


def refuse_too_many(folder: Path, left_out: Sequence[Skipped], clips: int) -> None:
    """Raises AudioError if more than MOST of a folder's `clips` had to be left out."""
    if len(left_out) <= MOST * clips:
        return
    named = [f"{clip.name} ({clip.complaint.partition(';')[0]})" for clip in left_out[:NAMED]]
    more = [f"and {len(left_out) - NAMED} more"] * (len(left_out) > NAMED)
    raise AudioError(
        f"{folder}: {len(left_out)} of {clips} clips cannot be used, more than {MOST:.0%}: "
        f"{', '.join([*named, *more])}; mend or remove them"
    )
