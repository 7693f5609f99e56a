import pytest
import torch

from codec.training.batch_loader import Feed, gather
from codec.training.dataset import CropDataset
from crops import small_dataset


@pytest.fixture
def dataset() -> CropDataset:
    return small_dataset()


@pytest.mark.parametrize("rank", [0, 1])
def test_crops_cut_on_the_device_are_those_of_the_dataset(dataset: CropDataset, rank: int) -> None:
    samples = torch.from_numpy(dataset.samples())
    padded = 0
    for index in range(dataset.steps_per_epoch):
        cut, made = gather(samples, *dataset.places(1, index, rank, 2), 100), dataset.batch(1, index, rank, 2)
        torch.testing.assert_close(cut.audio, made.audio, rtol=1e-6, atol=1e-7)
        assert torch.equal(cut.lengths, made.lengths)
        assert torch.equal(cut.all_lengths, made.all_lengths)
        padded += int((made.lengths < 100).sum())
    assert cut.audio.shape == (2, 1, 100)
    assert rank == 1 or padded >= 0


def test_on_a_cpu_a_feed_hands_over_the_datasets_batches(dataset: CropDataset) -> None:
    feed = Feed(dataset, torch.device("cpu"))
    assert not feed.resident
    assert torch.equal(feed.batch(2, 3, 0, 1).audio, dataset.batch(2, 3).audio)
