"""What only a machine with a CUDA GPU can show: `make test-gpu`, which no CI runs."""

import numpy as np
import pytest
import torch

from codec.audio import Clip, Packed
from codec.dataset import CropDataset
from codec.resident import Feed


@pytest.fixture
def dataset() -> CropDataset:
    random = np.random.default_rng(0)
    samples = random.integers(-8000, 8000, 2500).astype(np.int16)
    clips = [Clip("a", 0, 1000, "a"), Clip("b", 1000, 60, "b"), Clip("c", 1060, 1440, "c")]  # b is padded
    return CropDataset(Packed(samples, tuple(clips), 16000), clips, 100, 4, seed=0)


def test_on_cuda_the_audio_is_resident_or_sent_ahead(dataset: CropDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda", 0)
    resident = Feed(dataset, device)
    assert resident.resident
    monkeypatch.setattr("codec.resident.FREE_SHARE", 0.0)
    sent = Feed(dataset, device)
    assert not sent.resident
    for index in range(dataset.steps_per_epoch):
        made = dataset.batch(0, index).audio
        torch.testing.assert_close(resident.batch(0, index, 0, 1).audio.cpu(), made, rtol=1e-6, atol=1e-7)
        assert torch.equal(sent.batch(0, index, 0, 1).audio.cpu(), made)
