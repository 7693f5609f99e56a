"""Crops of packed audio as batches; an epoch is one pass over the duration, not one crop per file.

Every batch is a pure function of (seed, epoch, index), so a resumed run sees exactly the batches the
interrupted one would have seen.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from codec.acoustics.normalize import normalize
from codec.audio import SILENCE_RMS, AudioError, Clip, Packed, crop_counts, steps_per_epoch
from codec.audio.pack import FULL_SCALE
from codec.audio.read import Int16Array
from codec.model.checkpoint import clip_ids

Crops = npt.NDArray[np.int64]  # [N, 2]: clip index, first sample within the clip


class Batch(NamedTuple):
    """A rank's part of a training batch; on one rank, all of it."""

    audio: Tensor  # [B, 1, T] float32, normalized
    lengths: Tensor  # [B] samples that are not padding
    all_lengths: Tensor  # [all B] those of every rank's part, in the order of ranks


class CropDataset:
    """Shuffled, normalized training batches of `batch_size` crops of `segment` samples.

    The same batches however many ranks share them; `batch_size` is a multiple of the ranks.

    Silent crops are left out and the epoch wraps around instead of ending early, so that every epoch
    has the same number of steps and every batch the same size.
    """

    def __init__(self, packed: Packed, clips: Sequence[Clip], segment: int, batch_size: int, seed: int) -> None:
        self.steps_per_epoch = steps_per_epoch(clips, segment, batch_size)
        self._samples = packed.samples
        self._clips = clips
        self.segment = segment
        self._batch_size = batch_size
        self._seed = seed
        self._current: tuple[int, Crops] | None = None  # the last epoch asked for and its crops

    def batch(self, epoch: int, index: int, rank: int = 0, ranks: int = 1) -> Batch:
        """The `rank`-th of `ranks` equal parts of batch `index` of `epoch`.

        Raises AudioError if all crops of the epoch are silent.
        """
        crops = self._crops(epoch, index)
        x, lengths = _gather(self._samples, self._clips, self.segment, np.split(crops, ranks)[rank])
        return Batch(normalize(x, lengths)[0], lengths, self._lengths(crops))

    def places(self, epoch: int, index: int, rank: int = 0, ranks: int = 1) -> tuple[Tensor, Tensor, Tensor]:
        """Where `batch` cuts, for who has the samples: each crop's first [B], lengths [B], all_lengths [all B]."""
        crops = self._crops(epoch, index)
        own = np.split(crops, ranks)[rank]
        first = np.array([self._clips[clip].offset for clip in own[:, 0]]) + own[:, 1]
        return torch.from_numpy(first), self._lengths(own), self._lengths(crops)

    @property
    def size(self) -> int:
        """Number of all samples."""
        return len(self._samples)

    def samples(self) -> Int16Array:
        """All samples, in memory of their own."""
        return np.array(self._samples)

    def _crops(self, epoch: int, index: int) -> Crops:
        crops = self._epoch(epoch)
        rows = np.arange(index * self._batch_size, (index + 1) * self._batch_size) % len(crops)
        return crops[rows]

    def _lengths(self, crops: Crops) -> Tensor:
        return torch.from_numpy(_real_samples(self._clips, self.segment, crops))

    def learned(self) -> Tensor:
        """Ids of the clips that are trained on, int64 [N]: a checkpoint keeps them."""
        return clip_ids(self._clips)

    def _epoch(self, epoch: int) -> Crops:
        if self._current is None or self._current[0] != epoch:
            crops = epoch_crops(self._clips, self.segment, self._seed, epoch)
            loud = crops[_is_loud(self._samples, self._clips, self.segment, crops)]
            if not len(loud):
                raise AudioError("all training clips are silent (below -50 dBFS); add speech, or record it louder")
            self._current = epoch, loud
        return self._current[1]


def epoch_crops(clips: Sequence[Clip], segment: int, seed: int, epoch: int) -> Crops:
    """The crops of one epoch, shuffled over all clips: ceil(length / segment) for each clip.

    A clip's crops follow each other without a gap from one of its ends, chosen by chance, at a random
    phase; the last may fall up to a segment short of the other end, which then is another epoch's
    start. (Crops that always reached both ends would always be the same ones for a clip of a whole
    number of segments.) A clip no longer than a segment is one crop.
    """
    random = np.random.default_rng([seed, epoch])
    counts = np.array(crop_counts(clips, segment))
    index = np.repeat(np.arange(len(clips)), counts)  # [N], and so are all below
    number = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    last_start = np.maximum([clip.length - segment for clip in clips], 0)[index]
    phase = random.integers(segment, size=len(clips))[index]
    from_the_end = random.integers(2, size=len(clips))[index]
    start = np.clip(number * segment - phase, 0, last_start)
    start = np.where(from_the_end, last_start - start, start)
    return random.permutation(np.stack([index, start], axis=1))


def validation_crops(
    packed: Packed, clips: Sequence[Clip], segment: int, limit: int = 64
) -> tuple[Tensor, Tensor, Tensor]:
    """Up to `limit` fixed crops, spread evenly over the clips' duration: the same at every call.

    Returns (x [N, 1, T] normalized, lengths [N], gain [N, 1, 1]); x / gain is the original level.
    Only crops louder than SILENCE_RMS take part. Raises AudioError if there is none.
    """
    starts = [
        (index, number * segment if clip.length >= segment else 0)
        for index, clip in enumerate(clips)
        for number in range(max(clip.length // segment, 1))
    ]
    crops = np.array(starts, dtype=np.int64).reshape(-1, 2)
    crops = crops[_is_loud(packed.samples, clips, segment, crops)]
    if not len(crops):
        raise AudioError(
            "all clips held out for validation are silent (below -50 dBFS); "
            "add louder clips, hold out a larger share or change the seed"
        )
    spread = np.linspace(0, len(crops) - 1, min(limit, len(crops))).round().astype(np.int64)
    x, lengths = _gather(packed.samples, clips, segment, crops[spread])
    y, gain = normalize(x, lengths)
    return y, lengths, gain


def _is_loud(samples: Int16Array, clips: Sequence[Clip], segment: int, crops: Crops) -> npt.NDArray[np.bool_]:
    """[N]: whether a crop's RMS is above SILENCE_RMS. One cheap pass over the audio."""
    loud = np.zeros(len(crops), dtype=np.bool_)
    for row, (index, start) in enumerate(crops.tolist()):
        clip = clips[index]
        first = clip.offset + start
        crop = samples[first : min(first + segment, clip.offset + clip.length)].astype(np.float32)
        loud[row] = crop @ crop > len(crop) * (SILENCE_RMS * FULL_SCALE) ** 2
    return loud


def _gather(samples: Int16Array, clips: Sequence[Clip], segment: int, crops: Crops) -> tuple[Tensor, Tensor]:
    """x [B, 1, T] float32, zeros after a clip's end, and lengths [B]."""
    offset = np.array([clips[index].offset for index in crops[:, 0]])
    lengths = _real_samples(clips, segment, crops)
    position = np.arange(segment)
    inside = position < lengths[:, None]  # [B, T]
    first = (offset + crops[:, 1])[:, None]
    picked = samples[np.where(inside, first + position, first)]
    x = np.where(inside, picked, 0).astype(np.float32) / FULL_SCALE
    return torch.from_numpy(x)[:, None], torch.from_numpy(lengths)


def _real_samples(clips: Sequence[Clip], segment: int, crops: Crops) -> npt.NDArray[np.int64]:
    """[N]: samples of each crop before its clip's end."""
    left: Crops = np.array([clips[index].length for index in crops[:, 0]], dtype=np.int64) - crops[:, 1]
    return left.clip(max=segment)
