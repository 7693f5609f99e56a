"""What a training would be, worked out from its configuration alone: no torch, no training.

The counts follow the layers in `codec.model.codec`; a test compares them with the model and its checkpoint.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codec.audio import AudioError, Clip, find_audio, inspect, split, steps_per_epoch
from codec.audio.measure import usable
from codec.audio.pack import is_packed, load
from codec.audio.skipped import refuse_too_many, skipped
from codec.config import ModelConfig, TrainConfig, config_from_flags
from codec.presets import PRESETS

BYTES = 4  # of a float32


def plan(config: TrainConfig) -> dict[str, Any]:
    """The resolved configuration and what follows from it; with a data folder, also how many steps there will be.

    Raises AudioError for too many clips that can't be used.
    """
    model = config.model
    frames_per_second = model.sample_rate / model.hop
    facts = {
        "config": config.as_dict(),
        "hop": model.hop,
        "frames_per_second": frames_per_second,
        "bitrate_kbps": frames_per_second * model.stages_per_frame * math.log2(model.codebook_size) / 1000,
        "parameters": parameters(model),
        "checkpoint_bytes": checkpoint_bytes(config),
    }
    return facts | (_steps(config) if config.data_dir else {})


def about_presets() -> list[dict[str, Any]]:
    """What each preset is: its rate, its size, and the SNR in dB that one may hope for."""
    facts = []
    for name, preset in PRESETS.items():
        planned = plan(config_from_flags({"data_dir": "", "preset": name}))
        facts.append(
            {
                "preset": name,
                "bitrate_kbps": planned["bitrate_kbps"],
                "frames_per_second": planned["frames_per_second"],
                "sample_rate": preset.flags["sample_rate"],
                "num_quantizers": preset.flags["num_quantizers"],
                "mean_quantizers": preset.flags.get("mean_quantizers", preset.flags["num_quantizers"]),
                "parameters": planned["parameters"],
                "checkpoint_bytes": planned["checkpoint_bytes"],
                "snr_hope_db": preset.snr_hope_db,
                "purpose": preset.purpose,
                "flags": preset.flags,
            }
        )
    return facts


def parameters(model: ModelConfig) -> int:
    """Number of trained parameters; codebooks are not among them."""
    width, size = model.hidden_dim, model.codebook_dim
    first = width >> len(model.strides)  # channels of the first layer
    total: int = _conv(1, first, 7) + _conv(first, 1, 7)  # the way in and the way out
    for number, stride in enumerate(model.strides):
        narrow = first << number
        wide = 2 * narrow
        total += 2 * _residual_units(narrow)
        total += narrow + _conv(narrow, wide, 2 * stride)  # down, behind its Snake
        total += wide + _transposed_conv(wide, narrow, 2 * stride)  # up, behind its Snake
    total += width + first  # the last Snake of the encoder and of the decoder
    total += 2 * _conv(width, width, 3)
    return total + _conv(width, size, 1) + _conv(size, width, 1)


def discriminator_parameters(model: ModelConfig) -> int:
    """Number of parameters that recipe `perceptual` trains beside the model's: `codec.model.discriminators`."""
    width = model.discriminator_width
    period = _conv(1, width, 5) + _conv(width, 4 * width, 5) + _conv(4 * width, 8 * width, 5)
    period += _conv(8 * width, 8 * width, 5) + _conv(8 * width, 1, 3)
    spectrum = _conv(2, width, 3 * 9) + 3 * _conv(width, width, 3 * 9) + _conv(width, 1, 3 * 3)
    return 5 * period + 3 * spectrum


def checkpoint_bytes(config: TrainConfig) -> int:
    """Size of one checkpoint: weights, AdamW's two moments, and the codebooks with their usage."""
    model = config.model
    trained = parameters(model) + (discriminator_parameters(model) if config.recipe == "perceptual" else 0)
    codebooks = model.num_quantizers * model.codebook_size * (model.codebook_dim + 1)
    return BYTES * (3 * trained + codebooks)


def _steps(config: TrainConfig) -> dict[str, Any]:
    rate = config.model.sample_rate
    clips, left_out = _clips(Path(config.data_dir), rate)
    learned, held_out = split(clips, config.validation_share, config.seed)
    steps = steps_per_epoch(learned, config.segment_length, config.batch_size)
    return {
        "training_clips": len(learned),
        "validation_clips": len(held_out),
        "skipped_clips": left_out,
        "audio_seconds": sum(clip.length for clip in learned) / rate,
        "steps_per_epoch": steps,
        "planned_steps": steps * config.num_epochs,
    }


def _clips(folder: Path, sample_rate: int) -> tuple[Sequence[Clip], int]:
    """The clips that training would have, and how many it would skip."""
    if is_packed(folder):
        packed = load(folder, sample_rate)
        return packed.clips, len(packed.skipped)
    paths, clips, left_out = find_audio(folder), [], []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            info = usable(inspect(path, sample_rate))
            clips.append(Clip(name, 0, info.length, info.sha256))
        except AudioError as error:
            left_out.append(skipped(name, path, error))
    refuse_too_many(folder, left_out, len(paths))
    return clips, len(left_out)


def _conv(channels_in: int, channels_out: int, kernel: int) -> int:
    """Weight, and for each output channel the norm that weight_norm keeps apart and a bias."""
    return channels_in * channels_out * kernel + 2 * channels_out


def _transposed_conv(channels_in: int, channels_out: int, kernel: int) -> int:
    """As `_conv`, but weight_norm's norms are of the weight's first dimension, which are the inputs here."""
    return channels_in * channels_out * kernel + channels_in + channels_out


def _residual_units(channels: int) -> int:
    return 3 * (2 * channels + _conv(channels, channels, 7) + _conv(channels, channels, 1))
