"""Training batches on their way to the device: cut there from audio that lies there, or sent ahead of time."""

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from codec.acoustics.normalize import normalize
from codec.audio.pack import FULL_SCALE
from codec.training.dataset import Batch, CropDataset

FREE_SHARE = 0.25  # of the device's free memory that the audio may take; the model needs the rest

Key = tuple[int, int, int, int]  # epoch, index, rank, ranks


class Feed:
    """Batches of a dataset on a device.

    On CUDA the whole audio lies there as int16 where it fits, and only the places of crops travel: 100
    hours at 16 kHz are 11.5 GB. Where it does not fit, the next batch is read from the mapped file and
    pinned by a thread while the device computes. On a CPU a batch is made when it is wanted.
    """

    def __init__(self, dataset: CropDataset, device: torch.device) -> None:
        self._dataset = dataset
        self._device = device
        self._samples: Tensor | None = None  # int16 [T], resident
        self._ahead: tuple[Key, Future[Batch]] | None = None
        self._thread: ThreadPoolExecutor | None = None
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if 2 * dataset.size <= FREE_SHARE * free:
                self._samples = torch.from_numpy(dataset.samples()).to(device)
            else:
                self._thread = ThreadPoolExecutor(1, "batches")

    @property
    def resident(self) -> bool:
        """Whether the audio lies on the device."""
        return self._samples is not None

    def batch(self, epoch: int, index: int, rank: int, ranks: int) -> Batch:
        """CropDataset.batch, on the device."""
        if self._samples is not None:
            first, lengths, all_lengths = self._dataset.places(epoch, index, rank, ranks)
            first, lengths, all_lengths = (self._send(part.pin_memory()) for part in (first, lengths, all_lengths))
            return gather(self._samples, first, lengths, all_lengths, self._dataset.segment)
        key = (epoch, index, rank, ranks)
        batch = self._taken(key) if self._thread else self._dataset.batch(*key)
        return Batch(*(self._send(part) for part in batch))

    def _taken(self, key: Key) -> Batch:
        assert self._thread is not None
        ahead, self._ahead = self._ahead, None
        batch = ahead[1].result() if ahead and ahead[0] == key else self._pinned(key)
        epoch, index, rank, ranks = key
        if index + 1 < self._dataset.steps_per_epoch:
            following = (epoch, index + 1, rank, ranks)
            self._ahead = following, self._thread.submit(self._pinned, following)
        return batch

    def _pinned(self, key: Key) -> Batch:
        return Batch(*(part.pin_memory() for part in self._dataset.batch(*key)))

    def _send(self, part: Tensor) -> Tensor:
        return part.to(self._device, non_blocking=True)


def gather(samples: Tensor, first: Tensor, lengths: Tensor, all_lengths: Tensor, segment: int) -> Batch:
    """Cut crops of `segment` from samples int16 [T]: first [B] is where each begins, lengths [B] what is real of it."""
    position = torch.arange(segment, device=samples.device)
    inside = position < lengths.unsqueeze(1)  # [B, T]
    picked = samples[torch.where(inside, first.unsqueeze(1) + position, first.unsqueeze(1))]
    x = torch.where(inside, picked, 0).float() / FULL_SCALE
    return Batch(normalize(x.unsqueeze(1), lengths)[0], lengths, all_lengths)
