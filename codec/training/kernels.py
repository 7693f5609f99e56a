"""What makes a GPU faster than float32, layer by layer. On a CPU nothing of it is on unless it is asked for."""

import os
import shutil
import sysconfig
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

from codec.config import TrainConfig
from codec.model.codec import Codec
from codec.training.ranks import Ranks

P = ParamSpec("P")
R = TypeVar("R")

COMPILED = "compiled"  # the folder, in the checkpoint folder, of what torch.compile has made


def is_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether convolutions run in bfloat16. The quantizer, the losses and validation never do."""
    # Older devices emulate it, slower than float32.
    able = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return config.precision == "bf16" or (config.precision == "auto" and able)


def autocast(config: TrainConfig, device: torch.device) -> AbstractContextManager[object]:
    """Around the forward pass of a training step."""
    if is_bf16(config, device):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def is_compiled(config: TrainConfig, device: torch.device) -> bool:
    """Whether torch.compile fuses what a step does."""
    return config.compile == "on" or (config.compile == "auto" and device.type == "cuda" and not obstacle())


def obstacle() -> str | None:
    """What Triton lacks on this machine: its kernels are started by a few lines of C, made there and then."""
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        return "there is no C compiler (gcc or clang)"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return None if header.exists() else f"{header} is missing (python3-dev)"


def hasten(model: Codec, config: TrainConfig, device: torch.device, folder: Path, ranks: Ranks) -> None:
    """Set the device's switches and have encoder, quantizer and decoder compiled at their first call.

    The compiled code stays in the checkpoint folder, so that whoever has that folder need not compile again.
    """
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # crops have one length: the fastest algorithm is looked for once
        # TF32 for convolutions that bfloat16 does not reach. Not for products of matrices: the quantizer's distances
        # are some, and near codes differ in digits that TF32 hasn't got.
        torch.backends.cudnn.allow_tf32 = config.precision != "fp32"
    if is_compiled(config, device):
        # Slow is better than not at all, unless somebody has asked for it.
        torch._dynamo.config.suppress_errors = config.compile == "auto"
        os.environ.setdefault("PYTHONSAFEPATH", "1")  # compilers that torch starts import nothing from this folder
        # Each rank of a machine in a folder of its own: they compile at the same time.
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str((folder / COMPILED / str(ranks.local)).resolve()))
        for part in (model.encoder, model.quantizer, model.decoder):
            # Not part.compile(): that passes by the code of torch's own Sequential, so that each Snake and each
            # residual unit would be compiled by itself, until there are too many of a kind, and the rest not at all.
            part.forward = compiled(part.forward, config, device)  # type: ignore[method-assign]


def compiled(function: Callable[P, R], config: TrainConfig, device: torch.device) -> Callable[P, R]:
    """The function, which torch.compile fuses at its first call where that is wanted; for arguments of one shape."""
    return torch.compile(function, dynamic=False) if is_compiled(config, device) else function
