import json
import math

import pytest

from codec.config import ModelConfig, TrainConfig, config_from_flags
from codec.errors import UserError


def test_defaults_are_the_users_own_trainers() -> None:
    flat = TrainConfig(data_dir="clips").as_dict()
    assert flat == {
        "data_dir": "clips",
        "checkpoint_dir": "./checkpoints",
        "experiment_name": "codec",
        "preset": "none",
        "recipe": "waveform",
        "quantizer_dropout": 0.0,
        "precision": "auto",
        "compile": "auto",
        "sample_rate": 16000,
        "segment_length": 16000,
        "batch_size": 16,
        "num_epochs": 100,
        "learning_rate": 3e-4,
        "warmup_steps": 500,
        "grad_clip": 1.0,
        "hidden_dim": 1024,
        "strides": [2, 2, 2, 2, 5],
        "num_quantizers": 8,
        "mean_quantizers": 0,
        "codebook_size": 1024,
        "codebook_dim": 128,
        "transform": "none",
        "commitment_weight": 0.25,
        "ema_decay": 0.99,
        "validation_share": 0.1,
        "keep_checkpoints": 3,
        "seed": 0,
        "device": "auto",
        "validate_every": 16000.0,
        "use_wandb": False,
        "wandb_mode": "online",
    }


def test_what_is_recorded_makes_the_same_configuration_again() -> None:
    config = TrainConfig(data_dir="clips", model=ModelConfig(hidden_dim=64, strides=(2, 4)), learning_rate=1e-3)
    flat = json.loads(json.dumps(config.as_dict()))
    assert config_from_flags(flat | {"strides": tuple(flat["strides"])}) == config


@pytest.mark.parametrize(
    ("flag", "value", "complaint"),
    [
        ("batch_size", 0, "--batch_size 0: must be at least 1"),
        ("num_quantizers", 256, "--num_quantizers 256: must be at most 255"),
        ("learning_rate", 0.0, "--learning_rate 0.0: must be above 0"),
        ("learning_rate", math.nan, "--learning_rate nan: must be a finite number"),
        ("learning_rate", math.inf, "--learning_rate inf: must be a finite number"),
        ("ema_decay", 1.0, "--ema_decay 1.0: must be below 1"),
        ("validation_share", 1.5, "--validation_share 1.5: must be below 1"),
        ("strides", (2, 1), "--strides 2,1: must be at least 2"),
        ("strides", (), "--strides: must name at least one"),
        ("hidden_dim", 1000, "--hidden_dim 1000: must be divisible by 32"),
        ("segment_length", 79, "--segment_length 79: must be at least one hop, 80 samples"),
        ("device", "tpu", "--device tpu: must be one of auto, cpu, cuda"),
        ("wandb_mode", "on", "--wandb_mode on: must be one of online, offline, disabled"),
    ],
)
def test_a_wrong_value_names_its_flag(flag: str, value: object, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        config_from_flags({"data_dir": "clips", flag: value})


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"mean_quantizers": 9}, "--mean_quantizers 9: must be at most --num_quantizers, 8"),
        ({"mean_quantizers": -1}, "--mean_quantizers -1: must be at least 0"),
        (
            {"num_quantizers": 63, "codebook_size": 4, "mean_quantizers": 3},
            "--mean_quantizers 3: must be at least 4 with --num_quantizers 63 and --codebook_size 4",
        ),
        ({"transform": "fft"}, "--transform fft: must be one of none, mdct"),
        (
            {"transform": "mdct", "strides": (3, 5), "codebook_dim": 15, "hidden_dim": 64},
            "--transform mdct: needs an even hop and .* which is 15 samples with --strides 3,5",
        ),
        (
            {"transform": "mdct", "codebook_dim": 81},
            "--transform mdct: needs .* a --codebook_dim of at most the hop, which is 80 samples with --strides 2,2,2",
        ),
    ],
)
def test_flags_that_do_not_go_together_are_named(flags: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        config_from_flags({"data_dir": "clips", **flags})


def test_a_frame_s_codes_are_those_of_all_stages_or_their_mean() -> None:
    assert ModelConfig().stages_per_frame == 8
    varying = ModelConfig(num_quantizers=63, codebook_size=4, mean_quantizers=4, transform="mdct", codebook_dim=80)
    assert (varying.stages_per_frame, varying.least_stages) == (4, 4)
    assert ModelConfig(num_quantizers=63, codebook_size=256, mean_quantizers=15).least_stages == 1


def test_the_rate_rises_linearly_and_stays() -> None:
    config = TrainConfig(data_dir="", learning_rate=1.0, warmup_steps=4)
    assert [config.learning_rate_at(step) for step in range(6)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_no_warm_up_is_the_full_rate_at_once() -> None:
    assert TrainConfig(data_dir="", learning_rate=0.5, warmup_steps=0).learning_rate_at(0) == 0.5
