"""The device that a model is judged and used on."""

import torch


def inference_device() -> torch.device:
    """A GPU where there is one, then in full float32: what a model is judged by must not depend on where it runs."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


def device_in_words(device: torch.device) -> str:
    """For people who read how fast something was."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
