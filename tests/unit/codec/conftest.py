"""Real clips for the tests: harmonics with an envelope, so that level and pitch move as in speech."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

from codec.config import ModelConfig, TrainConfig
from codec.model import checkpoint
from codec.model.codec import Codec

torch.set_num_threads(1)  # many tiny convolutions: threads would only wait for each other

WriteClip = Callable[..., Path]


def voice(seconds: float, rate: int = 16000, seed: int = 0, rms: float = 0.1) -> npt.NDArray[np.float32]:
    """A buzzing tone [T] below 3.4 kHz, of the given RMS."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = random.uniform(90, 250)
    tone = sum(np.sin(2 * np.pi * k * pitch * time + random.uniform(0, 6)) / k for k in range(1, 13))
    audio = tone * (1.2 + np.sin(2 * np.pi * 3 * time))
    return np.asarray(audio * rms / np.sqrt(np.mean(audio**2)), dtype=np.float32)


@pytest.fixture
def write_clip(tmp_path: Path) -> WriteClip:
    """write_clip(name, seconds, rate, channels, seed, rms, **soundfile options) -> the path in tmp_path/data."""

    def write(
        name: str,
        seconds: float = 1.0,
        rate: int = 16000,
        channels: int = 1,
        seed: int = 0,
        rms: float = 0.1,
        **options: str | float,
    ) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        audio = voice(seconds, rate, seed, rms)
        soundfile.write(path, np.repeat(audio[:, None], channels, axis=1), rate, **options)
        return path

    return write


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """make_checkpoint(root, step, seed, snr_db, learned, **model flags) -> a checkpoint, its codebooks from latents."""

    def make(
        root: str = "run/checkpoints",
        step: int = 1,
        seed: int = 0,
        snr_db: float | None = None,
        learned: torch.Tensor | None = None,
        **flags: Any,
    ) -> Path:
        small = {"hidden_dim": 16, "strides": (4, 5), "num_quantizers": 3, "codebook_size": 16, "codebook_dim": 4}
        config = TrainConfig(data_dir="clips", model=ModelConfig(**{**small, **flags}))
        torch.manual_seed(seed)
        model = Codec(config.model)
        with torch.no_grad():
            for gain in model.parameters():
                if not gain.any() and gain.dim() == 3:  # what a lapped transform begins without
                    gain.fill_(0.1)
            model.quantizer.initialise(model.latents(torch.from_numpy(voice(1.0)).reshape(1, 1, -1)))
        state = {} if learned is None else {"learned": learned}
        return checkpoint.save(tmp_path / root, model, config, state, step=step, epoch=1, snr_db=snr_db)

    return make
