"""What only a machine with a CUDA GPU can show: `make test-gpu`, which no CI runs."""

import pytest
import torch

from codec.training.batch_loader import Feed
from codec.training.dataset import CropDataset


def test_on_cuda_the_audio_is_resident_or_sent_ahead(
    dataset: CropDataset, cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = Feed(dataset, cuda)
    assert resident.resident
    monkeypatch.setattr("codec.training.batch_loader.FREE_SHARE", 0.0)
    sent = Feed(dataset, cuda)
    assert not sent.resident
    for index in range(dataset.steps_per_epoch):
        made = dataset.batch(0, index).audio
        torch.testing.assert_close(resident.batch(0, index, 0, 1).audio.cpu(), made, rtol=1e-6, atol=1e-7)
        assert torch.equal(sent.batch(0, index, 0, 1).audio.cpu(), made)
