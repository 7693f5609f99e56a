"""Where a rank computes."""

import torch

from codec.errors import UserError
from codec.training.ranks import Ranks


def pick_device(name: str, ranks: Ranks) -> torch.device:
    """The device that `--device` means on this rank: each has a GPU of its own.

    Raises UserError where there are not as many.
    """
    gpus = torch.cuda.device_count()
    if name == "cpu" or (name == "auto" and not gpus):
        return torch.device("cpu")
    if not gpus:
        raise UserError("--device cuda: torch finds no CUDA device here; use --device auto or cpu")
    if ranks.local >= gpus:
        raise UserError(f"one process a GPU, but this machine has {gpus}: start torchrun with --nproc_per_node {gpus}")
    device = torch.device("cuda", ranks.local)
    torch.cuda.set_device(device)
    return device


def inference_device() -> torch.device:
    """A GPU where there is one, then in full float32: what a model is judged by must not depend on where it runs."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


def device_in_words(device: torch.device) -> str:
    """For people who read how fast something was."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
