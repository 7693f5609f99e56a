"""The device of a rank."""

import torch

from codec.errors import UserError
from codec.training.gpu_check import try_gpu, why_no_gpu
from codec.training.ranks import Ranks


def pick_device(name: str, ranks: Ranks) -> torch.device:
    """The device that `--device` means on this rank: each has a GPU of its own.

    Raises UserError where there are not as many, and where one cannot be used.
    """
    gpus = torch.cuda.device_count()
    if name == "cpu" or (name == "auto" and not gpus):
        return torch.device("cpu")
    if not gpus:
        raise UserError(f"--device cuda: torch finds no CUDA device here: {why_no_gpu()}; --device cpu trains without")
    if ranks.local >= gpus:
        raise UserError(f"one process a GPU, but this machine has {gpus}: start torchrun with --nproc_per_node {gpus}")
    device = torch.device("cuda", ranks.local)
    try_gpu(device)
    return device
