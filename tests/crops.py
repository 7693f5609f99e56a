"""Training data for tests on a CPU and on a GPU."""

import numpy as np

from codec.audio import Clip, Packed
from codec.training.dataset import CropDataset


def small_dataset() -> CropDataset:
    """Crops of 100 samples of noise, four a batch; one of the three clips is shorter than a crop."""
    random = np.random.default_rng(0)
    samples = random.integers(-8000, 8000, 2500).astype(np.int16)
    clips = [Clip("a", 0, 1000, "a"), Clip("b", 1000, 60, "b"), Clip("c", 1060, 1440, "c")]  # b is padded
    return CropDataset(Packed(samples, tuple(clips), 16000), clips, 100, 4, seed=0)
