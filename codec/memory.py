"""What to say when a batch does not fit into the GPU's memory."""

import torch

from codec.errors import UserError
from codec.run import Run

SPARE = 0.9  # of the free memory: what is freed and taken again leaves gaps


def too_large(run: Run) -> UserError:
    """The error for a step that ran out of memory, with the batch size that would fit, found by a trial of one crop."""
    config, ranks = run.config, run.ranks.world
    run.optimizer.zero_grad()
    torch.cuda.empty_cache()
    device = run.data.device
    base = torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0]
    torch.cuda.reset_peak_memory_stats(device)
    try:
        audio = torch.zeros(1, 1, config.segment_length, device=device)
        run.model(audio).audio.square().mean().backward()
        one = torch.cuda.max_memory_allocated(device) - base
    except torch.OutOfMemoryError:
        one = free
    return UserError(complaint(config.batch_size, config.segment_length, fitting(free, one) * ranks))


def fitting(free: int, one: int) -> int:
    """How many crops fit into `free` bytes, if one takes `one`."""
    return int(SPARE * free / max(one, 1))


def complaint(batch_size: int, segment: int, fits: int) -> str:
    """One line for people; `fits` is an estimate, and never more than what has just failed to fit."""
    fits = min(fits, batch_size - 1)
    if fits < 1:
        return f"--segment_length {segment}: out of GPU memory even with one crop; shorten it or lower --hidden_dim"
    return (
        f"--batch_size {batch_size}: out of GPU memory; about {fits} would fit, or shorten --segment_length {segment}"
    )
