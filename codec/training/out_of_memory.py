"""What to say when a batch does not fit into the GPU's memory."""

import torch

from codec.errors import UserError
from codec.training.kernels import autocast
from codec.training.state import Run

SPARE = 0.9  # of the free memory: what is freed and taken again leaves gaps


def too_large(run: Run) -> UserError:
    """The error for a step that ran out of memory, with the batch size that would fit, found by a trial of one crop."""
    config, device, ranks = run.config, run.data.device, run.ranks.world
    run.optimizer.zero_grad()
    torch.cuda.empty_cache()
    base = torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0]
    torch.cuda.reset_peak_memory_stats(device)
    try:
        _one_crop(run)
        one = torch.cuda.max_memory_allocated(device) - base
    except torch.OutOfMemoryError:
        one = free
    # An estimate, and never more than what has just failed to fit.
    fits = min(fitting(free, one), config.batch_size // ranks - 1) * ranks
    return UserError(complaint(config.batch_size, config.segment_length, fits, ranks))


def fitting(free: int, one: int) -> int:
    """How many crops fit into `free` bytes, if one takes `one`."""
    return int(SPARE * free / max(one, 1))


def complaint(batch_size: int, segment: int, fits: int, ranks: int = 1) -> str:
    """One line for people; `fits` crops would fit on all ranks together."""
    if fits < 1:
        least = "one crop" if ranks == 1 else f"one crop on each of {ranks} GPUs"
        return f"--segment_length {segment}: out of GPU memory even with {least}; shorten it or lower --hidden_dim"
    return (
        f"--batch_size {batch_size}: out of GPU memory; about {fits} would fit, or shorten --segment_length {segment}"
    )


def _one_crop(run: Run) -> None:
    # Not compiled: for another size of batch that would have to be done again. Without the other ranks: they may be
    # training on.
    config, device = run.config, run.data.device
    audio = torch.zeros(1, 1, config.segment_length, device=device)
    with torch.compiler.set_stance("force_eager"):
        with autocast(config, device):
            decoded = run.model(audio).audio.float()
        if run.adversary:
            run.adversary.rehearse(decoded, audio)
    # Not backward(): on several ranks that would have the others average gradients, of a step that has failed here.
    torch.autograd.grad(decoded.square().mean(), list(run.model.parameters()))
