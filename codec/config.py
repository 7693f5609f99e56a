"""What a training run is made of: every flag with its default, its meaning and its limits.

This is the only place where they stand. The command line is built from these fields, the check
reads the same limits, and `as_dict` is what gets printed and recorded.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any, cast

from codec.codes import MOST_STAGES, code_bits, count_bits
from codec.errors import UserError
from codec.presets import PRESETS


@dataclass(frozen=True)
class Limits:
    """What a value may be. `above` and `below` exclude their end, `at_least` and `at_most` include it."""

    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()

    def complaint(self, value: object) -> str | None:
        """What is wrong with `value`, or None."""
        if isinstance(value, str):
            known = not self.choices or value in self.choices
            return None if known else f"must be one of {', '.join(self.choices)}"
        number = cast(float, value)
        tests = [
            (not math.isfinite(number), "must be a finite number"),
            (self.at_least is not None and number < self.at_least, f"must be at least {self.at_least}"),
            (self.at_most is not None and number > self.at_most, f"must be at most {self.at_most}"),
            (self.above is not None and number <= self.above, f"must be above {self.above}"),
            (self.below is not None and number >= self.below, f"must be below {self.below}"),
        ]
        return next((complaint for failed, complaint in tests if failed), None)


TRANSFORMS = ("none", "mdct")
RECIPES = ("waveform", "perceptual")


def _flag(default: Any, text: str, **limits: Any) -> Any:
    return field(default=default, metadata={"help": text, "limits": Limits(**limits)})


@dataclass(frozen=True)
class ModelConfig:
    """The architecture: what a checkpoint's weights only fit when it is the same."""

    sample_rate: int = _flag(16000, "samples per second that the model works at", at_least=8000, at_most=96000)
    hidden_dim: int = _flag(
        1024, "latent width; the first layer has hidden_dim / 2^(number of strides) channels", at_least=1
    )
    strides: tuple[int, ...] = _flag(
        (2, 2, 2, 2, 5), "downsampling of each block; their product is the hop in samples", at_least=2
    )
    num_quantizers: int = _flag(8, "stages of the residual quantizer", at_least=1, at_most=MOST_STAGES)
    mean_quantizers: int = _flag(
        0, "stages of a frame on average, more where they help more; 0: all of them in every frame", at_least=0
    )
    codebook_size: int = _flag(1024, "codes of each stage", at_least=2)
    codebook_dim: int = _flag(128, "dimension that the codes live in", at_least=1)
    transform: str = _flag(
        "none", "what the convolutions start from: nothing, or a lapped transform", choices=TRANSFORMS
    )

    def __post_init__(self) -> None:
        _check(self)
        if not self.strides:
            raise UserError("--strides: must name at least one stride, for example 2,2,2,2,5")
        if self.hidden_dim % 2 ** len(self.strides):
            raise UserError(
                f"--hidden_dim {self.hidden_dim}: must be divisible by {2 ** len(self.strides)}, because "
                f"the channels double at each of the {len(self.strides)} strides"
            )
        if self.mean_quantizers > self.num_quantizers:
            raise UserError(
                f"--mean_quantizers {self.mean_quantizers}: must be at most --num_quantizers, {self.num_quantizers}"
            )
        if 0 < self.mean_quantizers < self.least_stages:
            raise UserError(
                f"--mean_quantizers {self.mean_quantizers}: must be at least {self.least_stages} with --num_quantizers "
                f"{self.num_quantizers} and --codebook_size {self.codebook_size}, because each frame also pays for "
                "the count of its codes"
            )
        if self.transform == "mdct" and (self.hop % 2 or self.codebook_dim > self.hop):
            raise UserError(
                f"--transform mdct: needs an even hop and a --codebook_dim of at most the hop, which is {self.hop} "
                f"samples with --strides {spell(self.strides)}"
            )

    @property
    def hop(self) -> int:
        """Samples per latent frame."""
        return math.prod(self.strides)

    @property
    def stages_per_frame(self) -> int:
        """Codes of a frame, on average: what the nominal bitrate pays for."""
        return self.mean_quantizers or self.num_quantizers

    @property
    def least_stages(self) -> int:
        """The fewest codes of a frame that there can be: where frames differ, their count is paid for, too."""
        if not self.mean_quantizers:
            return 1
        return count_bits(self.num_quantizers) // code_bits(self.codebook_size) + 1

    @property
    def discriminator_width(self) -> int:
        """Channels of the first layer of the perceptual recipe's discriminators.

        Narrow beside a narrow codec: an adversary that is far stronger teaches nothing and costs most of the step.
        """
        return min(max(self.hidden_dim // 16, 2), 32)


@dataclass(frozen=True)
class TrainConfig:
    """One training run: its data, its places and how it learns."""

    data_dir: str = field(metadata={"help": "folder tree of wav, flac, ogg or mp3 files", "limits": Limits()})
    checkpoint_dir: str = _flag("./checkpoints", "where rows, checkpoints, samples and the cache go")
    experiment_name: str = _flag("codec", "name of the run, for people and for wandb")
    preset: str = _flag("none", "named settings for a rate: `codec presets`", choices=("none", *PRESETS))
    model: ModelConfig = field(default_factory=ModelConfig)
    recipe: str = _flag(
        "waveform", "what is learned: L1 and VQ, or with mel spectra and discriminators", choices=RECIPES
    )
    quantizer_dropout: float = _flag(
        0.0,
        "share of crops decoded from their first stages only, so that one model has several rates",
        at_least=0,
        below=1,
    )
    segment_length: int = _flag(16000, "samples of one training crop", at_least=1)
    batch_size: int = _flag(16, "crops per step, on all GPUs together", at_least=1)
    num_epochs: int = _flag(100, "passes over the duration of the training audio", at_least=1)
    learning_rate: float = _flag(3e-4, "AdamW's rate after the warm-up", above=0)
    warmup_steps: int = _flag(500, "steps in which the rate rises linearly", at_least=0)
    grad_clip: float = _flag(1.0, "largest norm of the gradient", above=0)
    commitment_weight: float = _flag(0.25, "weight of the commitment error beside the L1 error", at_least=0)
    ema_decay: float = _flag(0.99, "share of the codebooks' state kept at each step", above=0, below=1)
    validation_share: float = _flag(0.1, "share of the clips that is held out", above=0, below=1)
    validate_every: float = _flag(
        16000.0, "seconds of audio between validations inside an epoch; 0: at its end only", at_least=0
    )
    keep_checkpoints: int = _flag(3, "newest checkpoints to keep, beside the best one", at_least=1)
    seed: int = _flag(0, "seed of weights, split and crops", at_least=0)
    precision: str = _flag(
        "auto", "of the convolutions; auto takes bf16 on CUDA devices that have it", choices=("auto", "bf16", "fp32")
    )
    compile: str = _flag("auto", "torch.compile; auto on CUDA only", choices=("auto", "on", "off"))
    device: str = _flag("auto", "auto takes cuda where there is one", choices=("auto", "cpu", "cuda"))
    use_wandb: bool = _flag(False, "also log to Weights & Biases")
    wandb_mode: str = _flag("online", "only with --use_wandb", choices=("online", "offline", "disabled"))

    def __post_init__(self) -> None:
        _check(self)
        if self.segment_length < self.model.hop:
            raise UserError(
                f"--segment_length {self.segment_length}: must be at least one hop, "
                f"{self.model.hop} samples with --strides {spell(self.model.strides)}"
            )

    def learning_rate_at(self, step: int) -> float:
        """Return the rate of optimizer step `step`, counted from 0: a linear warm-up, then constant."""
        return self.learning_rate * min(1.0, (step + 1) / max(self.warmup_steps, 1))

    def as_dict(self) -> dict[str, Any]:
        """The whole configuration, flat, keyed by flag, as JSON values."""
        flat = {key: value for key, value in asdict(self).items() if key != "model"}
        model = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self.model).items()}
        return flat | model


def config_from_flags(values: Mapping[str, Any]) -> TrainConfig:
    """The configuration that the given flags describe; what is not given is the preset's or the default.

    Raises UserError, which names the first flag that is wrong.
    """
    preset = PRESETS.get(values.get("preset", "none"))
    values = {**(preset.flags if preset else {}), **values}
    own = {item.name for item in fields(ModelConfig)}
    model = ModelConfig(**{key: value for key, value in values.items() if key in own})
    return TrainConfig(**{key: value for key, value in values.items() if key not in own}, model=model)


def flag_fields() -> list[Field[Any]]:
    """Every flag's field, the model's after the run's places."""
    run = [item for item in fields(TrainConfig) if item.name != "model"]
    places, learning = run[:4], run[4:]
    return [*places, *fields(ModelConfig), *learning]


def is_required(item: Field[Any]) -> bool:
    """Whether the flag has no default."""
    return item.default is MISSING


def spell(value: object) -> str:
    """A value as one types it after its flag."""
    if isinstance(value, (tuple, list)):
        return ",".join(str(part) for part in value)
    return str(value)


def _check(config: ModelConfig | TrainConfig) -> None:
    for item in fields(config):
        if item.name == "model":
            continue
        value = getattr(config, item.name)
        limits: Limits = item.metadata["limits"]
        for part in value if isinstance(value, tuple) else (value,):
            complaint = limits.complaint(part)
            if complaint:
                raise UserError(f"--{item.name} {spell(value)}: {complaint}")
