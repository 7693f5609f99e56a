"""A trained model, ready for use: found in a run's folder, verified, its weight norm folded away."""

import hashlib
import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import safetensors.torch
from torch.nn.utils import parametrize

from codec.codes import code_bits
from codec.coding.container import ID_BYTES
from codec.config import ModelConfig
from codec.errors import UserError
from codec.model import checkpoint
from codec.model.codec import Codec


@dataclass(frozen=True)
class Trained:
    """A model and where it comes from."""

    model: Codec
    id: bytes  # ID_BYTES; the same for the same weights in the same architecture
    folder: Path  # the checkpoint
    config: dict[str, Any]  # the training's whole configuration

    @property
    def code_bits(self) -> int:
        """Bits that a code takes in a stream."""
        return code_bits(self.model.config.codebook_size)

    def stages(self, wanted: int | None) -> int:
        """How many quantizers to use, on average; raises UserError where the model has not as many."""
        least, most = self.model.config.least_stages, self.model.config.stages_per_frame
        if wanted is not None and not least <= wanted <= most:
            raise UserError(f"--num_quantizers {wanted}: this model has {most}; give {least} to {most}")
        return wanted or most

    def bitrate(self, stages: int) -> float:
        """Nominal kbit/s of one channel: frames a second, stages, bits of a code."""
        config = self.model.config
        return config.sample_rate / config.hop * stages * self.code_bits / 1000

    def frames(self, rate: int, length: int) -> tuple[int, int]:
        """(samples at the model's rate, latent frames) of `length` samples at `rate` Hz."""
        samples = -(-length * self.model.config.sample_rate // rate)
        return samples, -(-samples // self.model.config.hop)


def load(path: Path) -> Trained:
    """The model of a checkpoint folder, or of the folder above: best by snr_db, else the newest.

    A folder of a run (with checkpoints/ in it) will do, too. On the CPU, for inference alone. Raises
    UserError if there is no checkpoint that is whole and finite.
    """
    folder = _find(path)
    manifest = checkpoint.read_manifest(folder)
    saved = json.loads((folder / checkpoint.CONFIG).read_text(encoding="utf-8"))
    model = Codec(_architecture(saved))
    model.load_state_dict(safetensors.torch.load_file(folder / checkpoint.MODEL))
    weights = manifest["files"][checkpoint.MODEL]["sha256"]
    return Trained(for_inference(model), _identity(weights, saved), folder, saved)


def _find(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"{path}: no such folder; --model takes a checkpoint or the folder of a run")
    if (path / checkpoint.MANIFEST).is_file():
        complaint = checkpoint.complaint(path)
        if complaint:
            raise UserError(f"{path}: this checkpoint can't be used, {complaint}")
        return path
    root = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    folders = checkpoint.folders(root)
    usable = [folder for folder in folders if checkpoint.complaint(folder) is None]
    if not usable:
        state = "no whole checkpoint" if folders else "no checkpoint"
        raise UserError(f"{path}: {state} in it; --model takes a checkpoint or the folder of a run")
    return max(usable, key=lambda folder: (_snr_db(folder), folder.name))


def _snr_db(folder: Path) -> float:
    value = checkpoint.read_manifest(folder)["snr_db"]
    return value if isinstance(value, float) and math.isfinite(value) else -math.inf


def _architecture(saved: dict[str, Any]) -> ModelConfig:
    known: dict[str, Any] = {item.name: saved[item.name] for item in fields(ModelConfig) if item.name in saved}
    for name, value in known.items():
        known[name] = tuple(value) if isinstance(value, list) else value
    return ModelConfig(**known)


def _identity(weights: str, saved: dict[str, Any]) -> bytes:
    # What is not in the checkpoint's file does not count, so that a later version's new field changes no id.
    parts = {item.name: saved[item.name] for item in fields(ModelConfig) if item.name in saved}
    text = json.dumps({"weights": weights, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).digest()[:ID_BYTES]


def for_inference(model: Codec) -> Codec:
    """The same model, changed in place: weight norm computed once for all, no gradients."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return model.eval().requires_grad_(False)
