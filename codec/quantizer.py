"""Residual vector quantization with codebooks that follow the data by moving averages.

Each stage quantizes what the stages before it left over (van den Oord et al. 2017, appendix A.1;
Zeghidour et al. 2021, section III-C). The state of a stage is the moving sum of the vectors that
chose each code and the moving count of them, its usage; the codebook is derived as sum / usage. So
a code can't be replaced in one place and come back from another.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

# A code used less than this share of uniform usage is dead. A share, not a count: with fewer vectors
# per step than codes, a fixed count would call most of a healthy codebook dead.
DEAD_SHARE = 0.1
KMEANS_ROUNDS = 10


@dataclass(frozen=True)
class Window:
    """Which of the step's vectors are this rank's: `before` of them are other ranks', of `total` on `ranks` ranks."""

    before: Tensor  # []
    total: Tensor  # []
    ranks: int


@dataclass(frozen=True)
class Statistics:
    """What one forward pass would move the codebooks by. Added over all ranks they are those of the whole batch."""

    counts: Tensor  # [S, K] vectors that chose each code
    sums: Tensor  # [S, K, D] and their sum
    candidates: Tensor  # [S, K, D] random vectors, one for each code in case it is dead; zero where another rank has it


@dataclass(frozen=True)
class Quantized:
    """The quantizer's answer to a batch of latents."""

    latents: Tensor  # [B, D, T'] quantized; its gradient reaches the input unchanged
    codes: Tensor  # [B, S, T'] int64
    commitment: Tensor  # [S] mean squared error after each stage; on several ranks, their mean is the batch's
    power: Tensor  # [] mean square of the input, likewise
    statistics: Statistics


class ResidualQuantizer(nn.Module):
    """`stages` codebooks of `size` codes in `dim` dimensions, each on the residual of those before."""

    ema_sum: Tensor  # [S, K, D]
    ema_usage: Tensor  # [S, K]

    def __init__(self, dim: int, size: int, stages: int) -> None:
        super().__init__()
        # Usage starts at one, not at zero: a sum that is divided by almost nothing throws every
        # unused code far away from the data, where nothing chooses it again.
        self.register_buffer("ema_sum", torch.randn(stages, size, dim))
        self.register_buffer("ema_usage", torch.ones(stages, size))

    @property
    def codebooks(self) -> Tensor:
        """The codes, [S, K, D]."""
        return self.ema_sum / self.ema_usage.clamp(min=1e-8).unsqueeze(-1)

    def forward(
        self, latents: Tensor, mask: Tensor | None = None, window: Window | None = None, kept: Tensor | None = None
    ) -> Quantized:
        """Quantize latents [B, D, T']; frames where mask [B, T'] is 0 count for nothing.

        `kept` [B] says how many stages are passed on of each row (Zeghidour et al. 2021, section III-C:
        quantizer dropout); all stages learn from all rows. On several ranks the window says which part of
        the batch this is. Runs in float32 whatever the autocast: near codes differ in digits that bfloat16
        hasn't got.
        """
        with torch.autocast(latents.device.type, enabled=False):
            batch, dim, frames = latents.shape
            vectors = latents.float().transpose(1, 2).reshape(-1, dim)  # [N, D]
            weights = vectors.new_ones(len(vectors)) if mask is None else mask.float().reshape(-1)
            own = weights.sum()
            window = window or Window(own.new_zeros(()), own, 1)
            total = window.total.clamp(min=1) / window.ranks
            picks, picked = _random_picks(weights, self.ema_usage.shape[1], window)

            quantized = heard = torch.zeros_like(vectors)  # constants to autograd: codes have no gradient
            kept = None if kept is None else kept.repeat_interleave(frames).unsqueeze(1)  # [N, 1]
            codes, errors, counts, sums, candidates = [], [], [], [], []
            for stage, codebook in enumerate(self.codebooks):
                # Every stage's error keeps its path to the input, and that path is the identity.
                residual = vectors - quantized
                constant = residual.detach()
                chosen = _nearest(constant, codebook)  # [N]
                quantized = quantized + codebook[chosen]
                heard = quantized if kept is None else torch.where(kept > stage, quantized, heard)
                errors.append(_mean_square(vectors - quantized, weights, total))
                codes.append(chosen)
                counts.append(_group_sums(weights.unsqueeze(1), chosen, len(codebook)).squeeze(1))
                sums.append(_group_sums(constant * weights.unsqueeze(1), chosen, len(codebook)))
                candidates.append(constant[picks] * picked)

            # One straight-through around all stages: one per stage would multiply the gradient.
            passed = vectors + (heard - vectors).detach()
            return Quantized(
                latents=passed.reshape(batch, frames, dim).transpose(1, 2),
                codes=torch.stack(codes).reshape(-1, batch, frames).transpose(0, 1),
                commitment=torch.stack(errors),
                power=_mean_square(vectors.detach(), weights, total),
                statistics=Statistics(torch.stack(counts), torch.stack(sums), torch.stack(candidates)),
            )

    def encode(self, latents: Tensor, stages: int) -> Tensor:
        """The codes [B, stages, T'] of latents [B, D, T'] by the first stages, without the statistics of training."""
        residual = latents.float().transpose(1, 2).reshape(-1, latents.shape[1])  # [N, D]
        codes = []
        for codebook in self.codebooks[:stages]:
            codes.append(_nearest(residual, codebook))
            residual = residual - codebook[codes[-1]]
        return torch.stack(codes).reshape(stages, len(latents), -1).transpose(0, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """The latents [B, D, T'] that codes [B, s, T'] of the first s stages stand for."""
        used = codes.shape[1]
        stages = zip(self.codebooks[:used], codes.unbind(1), strict=True)
        return torch.stack([book[chosen] for book, chosen in stages]).sum(0).transpose(1, 2)

    @torch.no_grad()
    def initialise(self, latents: Tensor) -> None:
        """Set every stage by k-means on what the stages before it left of latents [B, D, T']."""
        residual = latents.float().transpose(1, 2).reshape(-1, latents.shape[1])
        for stage in range(len(self.ema_sum)):
            counts, sums = _kmeans(residual, self.ema_usage.shape[1])
            self.ema_usage[stage], self.ema_sum[stage] = counts, sums
            codebook = self.codebooks[stage]
            residual = residual - codebook[_nearest(residual, codebook)]

    @torch.no_grad()
    def update(self, statistics: Statistics, decay: float, finite: Tensor) -> None:
        """Move the codebooks towards a batch, unless the scalar `finite` is false, and replace dead codes.

        Called after the step's finite check, so that no broken batch enters the averages. `finite`
        stays on the device: nothing here waits for it. Ranks that pass the same statistics, those added
        over all of them, keep the same codebooks.
        """
        usage = decay * self.ema_usage + (1 - decay) * statistics.counts
        total = decay * self.ema_sum + (1 - decay) * statistics.sums

        # A replaced code starts as an average one: sum and usage change together, the codebook with them.
        uniform = usage.mean(1, keepdim=True)  # [S, 1]
        dead = usage < DEAD_SHARE * uniform
        usage = torch.where(dead, uniform, usage)
        total = torch.where(dead.unsqueeze(-1), statistics.candidates * uniform.unsqueeze(-1), total)

        self.ema_usage.copy_(torch.where(finite, usage, self.ema_usage))
        self.ema_sum.copy_(torch.where(finite, total, self.ema_sum))


def perplexity(counts: Tensor) -> Tensor:
    """exp(entropy) of each stage's code distribution, as a share of the codebook. [S, K] -> [S] in (0, 1]."""
    shares = counts.double() / counts.double().sum(1, keepdim=True).clamp(min=1)
    return torch.exp(-torch.special.xlogy(shares, shares).sum(1)) / counts.shape[1]


def codes_used(counts: Tensor) -> Tensor:
    """Share of each stage's codes that were chosen at all. [S, K] -> [S]."""
    return (counts > 0).double().mean(1)


def _nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    # |v - c|² = |v|² - 2 v.c + |c|², and |v|² is the same for every code.
    return torch.addmm(codebook.square().sum(1), vectors, codebook.T, alpha=-2).argmin(1)


def _mean_square(error: Tensor, weights: Tensor, total: Tensor) -> Tensor:
    return (error.square().mean(1) * weights).sum() / total


def _group_sums(values: Tensor, groups: Tensor, size: int) -> Tensor:
    return values.new_zeros(size, values.shape[1]).index_add_(0, groups, values)


def _random_picks(weights: Tensor, count: int, window: Window) -> tuple[Tensor, Tensor]:
    """Indices [count] of unmasked vectors, with replacement, and 1 [count, 1] where the pick is this rank's.

    All ranks draw the same numbers, so that the whole batch's vectors are picked from, however it is
    divided. (torch.multinomial would limit the vectors to 2^24.)
    """
    ends = weights.double().cumsum(0)
    points = torch.rand(count, device=weights.device, dtype=torch.float64) * window.total - window.before
    picks = torch.searchsorted(ends, points, right=True).clamp(max=len(weights) - 1)
    picked = (points >= 0) & (points < ends[-1])
    return picks, picked.to(weights.dtype).unsqueeze(1)


def _kmeans(vectors: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Counts [K] and sums [K, D] of the clusters of vectors [N, D], by Lloyd's iterations.

    A cluster that ends empty has no count and no sum; the first update replaces it.
    """
    if len(vectors) >= size:
        start = torch.randperm(len(vectors), device=vectors.device)[:size]
    else:
        start = torch.randint(len(vectors), (size,), device=vectors.device)
    centres = vectors[start]
    counts = vectors.new_zeros(size)
    sums = torch.zeros_like(centres)
    for _ in range(KMEANS_ROUNDS):
        groups = _nearest(vectors, centres)
        counts = torch.bincount(groups, minlength=size).to(vectors.dtype)
        sums = _group_sums(vectors, groups, size)
        centres = torch.where(counts.unsqueeze(1) > 0, sums / counts.clamp(min=1).unsqueeze(1), centres)
    return counts, sums
