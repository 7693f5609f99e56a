"""What training minimises."""

from torch import Tensor


def masked_l1(decoded: Tensor, original: Tensor, lengths: Tensor, samples: Tensor | None = None) -> Tensor:
    """Mean absolute error of [B, 1, T] over the first lengths [B] samples of each row. Returns a scalar.

    The sum is divided by `samples` where that is given: on several ranks, Share.samples().
    """
    error = ((decoded - original).abs() * sample_mask(original, lengths)).sum()
    return error / (lengths.sum() if samples is None else samples)


def sample_mask(audio: Tensor, lengths: Tensor) -> Tensor:
    """1 where a sample of audio [B, 1, T] is real, 0 where it is padding. [B, 1, T]."""
    positions = lengths.new_ones(audio.shape[-1]).cumsum(0) - 1
    return (positions < lengths.view(-1, 1, 1)).to(audio.dtype)


def reported_loss(l1: Tensor, commitment: Tensor) -> Tensor:
    """L1 + mean over stages of the commitment error [S], unweighted: comparable between recipes."""
    return l1 + commitment.mean()


def training_loss(l1: Tensor, commitment: Tensor, commitment_weight: float) -> Tensor:
    """What the gradient is taken of: L1 + weight * mean over stages of the commitment error [S]."""
    return l1 + commitment_weight * commitment.mean()
