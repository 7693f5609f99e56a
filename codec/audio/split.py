"""Hold clips out for validation."""

import hashlib
from collections.abc import Sequence

from codec.audio.errors import AudioError, UserError
from codec.audio.pack import Clip


def split(clips: Sequence[Clip], share: float, seed: int) -> tuple[list[Clip], list[Clip]]:
    """(training, validation): `share` of the distinct clips, at least one on each side, in their old order.

    Clips with identical PCM stay together, or a copy under another name would put training audio into
    validation. Which side a clip falls on depends on its sound and the seed alone, so renaming files
    changes nothing. Raises AudioError if there are fewer than two distinct clips.
    """
    if not 0 < share < 1:
        raise UserError(f"the validation share is {share}; it must lie between 0 and 1")
    ranked = sorted({clip.sha256 for clip in clips}, key=lambda sha: _rank(sha, seed))
    if len(ranked) < 2:
        raise AudioError(
            f"{len(ranked)} distinct clip cannot be split into training and validation; "
            "add another, or cut the recording into several files"
        )
    count = min(max(round(share * len(ranked)), 1), len(ranked) - 1)
    held_out = set(ranked[:count])
    training = [clip for clip in clips if clip.sha256 not in held_out]
    validation = [clip for clip in clips if clip.sha256 in held_out]
    return training, validation


def _rank(sha256: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()
