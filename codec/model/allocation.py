"""How many stages each frame gets: more where they help more."""

import torch
from torch import Tensor

# Halvings of the price's range, which is LEAST to 1 of the largest error: enough for four digits.
_ROUNDS = 20
_LEAST = 1e-10


def allocate(errors: Tensor, budget: Tensor) -> Tensor:
    """Spend `budget` stages on the frames of each row so that the sum of their errors is small.

    errors [B, T, S + 1] are each frame's squared errors after 0 to S stages, budget [B] the stages of all
    frames of a row together. Returns the stages of each frame, [B, T] int64; their sum is at most the budget.

    Every frame takes the number of stages k with the least error + price x k, and the price is the lowest
    that the budget allows: no other way to spend as much has a smaller sum (Shoham and Gersho 1988). What is
    left goes to the first of the frames that would take more at the next lower price: where all frames are
    alike, as in a steady tone, that may be much. Nothing here waits for the device.
    """
    stages = torch.arange(errors.shape[-1], device=errors.device, dtype=errors.dtype)
    dearest = errors.amax((1, 2)).clamp(min=torch.finfo(errors.dtype).tiny)  # [B]: at this price nobody takes any
    low, high = torch.full_like(dearest, _LEAST).log(), torch.zeros_like(dearest)  # logarithms of its shares

    def taken(share: Tensor) -> Tensor:
        return (errors + (dearest * share.exp()).view(-1, 1, 1) * stages).argmin(-1)

    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        fits = taken(middle).sum(1) <= budget
        low, high = torch.where(fits, low, middle), torch.where(fits, middle, high)
    spent, more = taken(high), taken(low)
    afforded = spent.sum(1, keepdim=True) + (more - spent).cumsum(1) <= budget.unsqueeze(1)
    return torch.where(afforded, more, spent)
