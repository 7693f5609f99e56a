"""How many training crops and steps a set of clips makes: the one count that training and every forecast share."""

from collections.abc import Sequence

from codec.audio.pack import Clip


def crop_counts(clips: Sequence[Clip], segment: int) -> list[int]:
    """Crops of each clip in one epoch, ceil(length / segment): a clip shorter than a segment is one crop."""
    return [-(-clip.length // segment) for clip in clips]


def steps_per_epoch(clips: Sequence[Clip], segment: int, batch_size: int) -> int:
    """Steps of one pass over the duration of the clips."""
    return -(-sum(crop_counts(clips, segment)) // batch_size)
