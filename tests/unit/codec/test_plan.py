import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from codec.audio import AudioError, pack, split
from codec.config import ModelConfig, TrainConfig, config_from_flags
from codec.model import checkpoint
from codec.model.codec import Codec
from codec.model.discriminators import Discriminators
from codec.plan import checkpoint_bytes, discriminator_parameters, parameters, plan
from codec.training.adversary import Adversary
from codec.training.dataset import CropDataset
from codec.training.ranks import Ranks

WriteClip = Callable[..., Path]
TINY = ModelConfig(hidden_dim=16, strides=(2, 4), num_quantizers=2, codebook_size=32, codebook_dim=4)


@pytest.mark.parametrize(
    "model",
    [TINY, ModelConfig(hidden_dim=24, strides=(3,), codebook_dim=7), ModelConfig(hidden_dim=64, strides=(2, 2, 5))],
)
def test_parameters_are_those_of_the_model(model: ModelConfig) -> None:
    assert parameters(model) == sum(parameter.numel() for parameter in Codec(model).parameters())


@pytest.mark.parametrize("width", [16, 64, 1024])
def test_parameters_of_discriminators_are_theirs(width: int) -> None:
    model = ModelConfig(hidden_dim=width, strides=(2,))
    with torch.device("meta"):
        members = Discriminators(model.discriminator_width)
    assert discriminator_parameters(model) == sum(parameter.numel() for parameter in members.parameters())


@pytest.mark.parametrize("recipe", ["waveform", "perceptual"])
def test_a_checkpoint_has_the_forecast_size(tmp_path: Path, recipe: str) -> None:
    shape = ModelConfig(hidden_dim=128, strides=(2, 4), codebook_size=64)
    config = TrainConfig(data_dir="", model=shape, recipe=recipe)
    model = Codec(config.model)
    optimizer = torch.optim.AdamW(model.parameters())
    sum(parameter.sum() for parameter in model.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    trainer = {"optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()}
    if recipe == "perceptual":
        adversary = Adversary(config, Ranks(), torch.device("cpu"))
        adversary.judge(torch.randn(1, 1, 512), torch.randn(1, 1, 512), 0)
        trainer["adversary"] = adversary.state()
    folder = checkpoint.save(tmp_path, model, config, trainer, step=1, epoch=1, snr_db=None)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size == pytest.approx(checkpoint_bytes(config), rel=0.1)


def test_the_steps_are_those_of_training(write_clip: WriteClip, tmp_path: Path) -> None:
    for seed, seconds in enumerate((0.3, 1.0, 2.5, 1.7, 0.9)):
        write_clip(f"{seed}.wav", seconds, rate=(16000, 44100)[seed % 2], seed=seed)
    flags = {"data_dir": str(tmp_path / "data"), "segment_length": 4000, "batch_size": 3, "num_epochs": 7}
    planned = plan(config_from_flags(flags))

    packed = pack(tmp_path / "data", tmp_path / "cache", 16000)
    learned, held_out = split(packed.clips, 0.1, 0)
    assert planned["steps_per_epoch"] == CropDataset(packed, learned, 4000, 3, 0).steps_per_epoch
    assert planned["planned_steps"] == 7 * planned["steps_per_epoch"]
    assert (planned["training_clips"], planned["validation_clips"]) == (len(learned), len(held_out))
    (cached,) = (tmp_path / "cache").glob("*-16000-*")
    assert plan(config_from_flags(flags | {"data_dir": str(cached)})) == planned | {
        "config": planned["config"] | {"data_dir": str(cached)}
    }


def test_what_training_would_skip_is_not_counted(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(101):
        audio = np.full(100, np.nan if number == 7 else 0.001 * (number + 1), np.float32)
        soundfile.write(folder / f"{number}.wav", audio, 16000, subtype="FLOAT")
    planned = plan(config_from_flags({"data_dir": str(folder)}))
    assert planned["skipped_clips"] == 1
    assert planned["training_clips"] + planned["validation_clips"] == 100
    (folder / "8.wav").write_bytes(b"")
    with pytest.raises(AudioError, match=r"2 of 101 clips cannot be used, more than 1%: 7\.wav .*, 8\.wav"):
        plan(config_from_flags({"data_dir": str(folder)}))


def test_the_default_is_16_kbit_a_second() -> None:
    planned = plan(TrainConfig(data_dir=""))
    assert (planned["hop"], planned["frames_per_second"], planned["bitrate_kbps"]) == (80, 200, 16)
    assert "planned_steps" not in planned


@pytest.mark.slow
def test_the_command_prints_json_and_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom codec.cli import main\n"
    script += "sys.argv = ['codec', 'plan', '--batch_size', '7']\nmain()\n"
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True, timeout=120)
    assert json.loads(done.stdout)["config"]["batch_size"] == 7
