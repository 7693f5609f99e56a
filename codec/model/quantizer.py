"""Residual vector quantization with codebooks that follow the data by moving averages.

Each stage quantizes what the stages before it left over (van den Oord et al. 2017, appendix A.1;
Zeghidour et al. 2021, section III-C). The state of a stage is the moving sum of the vectors that
chose each code and the moving count of them, its usage; the codebook is derived as sum / usage. So
a code can't be replaced in one place and come back from another.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from codec.codes import ABSENT, code_bits, count_bits
from codec.model.allocation import allocate

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
    candidates: Tensor  # [S, K, D] random vectors, one for each code in case it is dead; zero where there is none here


@dataclass(frozen=True)
class Quantized:
    """The quantizer's answer to a batch of latents."""

    latents: Tensor  # [B, D, T'] quantized; its gradient reaches the input unchanged
    codes: Tensor  # [B, S, T'] int64, ABSENT where a frame has no such stage
    commitment: Tensor  # [S] mean squared error after each stage; on several ranks, their mean is the batch's
    power: Tensor  # [] mean square of the input, likewise
    statistics: Statistics


@dataclass(frozen=True)
class Search:
    """What every stage would do with each of N vectors, whether it is used or not."""

    codes: Tensor  # [S, N] int64
    residuals: Tensor  # [S + 1, N, D] what 0 to S stages leave over

    def errors(self, rows: int) -> Tensor:
        """Squared errors after 0 to S stages of the frames of each row, [rows, T', S + 1]."""
        return self.residuals.square().sum(-1).T.reshape(rows, -1, len(self.residuals))


class ResidualQuantizer(nn.Module):
    """`stages` codebooks of `size` codes in `dim` dimensions, each on the residual of those before.

    With a `mean` each frame has as many of the stages as it needs, that many on average over a row; without one,
    every frame has all of them.
    """

    ema_sum: Tensor  # [S, K, D]
    ema_usage: Tensor  # [S, K]

    def __init__(self, dim: int, size: int, stages: int, mean: int = 0) -> None:
        super().__init__()
        self.mean = mean
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

        `kept` [B] says how many stages are passed on of each row, on average where frames differ (Zeghidour et
        al. 2021, section III-C: quantizer dropout); what the codes learn from does not depend on it. On several
        ranks the window says which part of the batch this is. Runs in float32 whatever the autocast: near codes
        differ in digits that bfloat16 hasn't got.
        """
        with torch.autocast(latents.device.type, enabled=False):
            batch, dim, frames = latents.shape
            vectors = latents.float().transpose(1, 2).reshape(-1, dim)  # [N, D]
            constant = vectors.detach()  # codes have no gradient
            weights = vectors.new_ones(len(vectors)) if mask is None else mask.float().reshape(-1)
            own = weights.sum()
            window = window or Window(own.new_zeros(()), own, 1)
            total = window.total.clamp(min=1) / window.ranks
            found = self._search(constant, len(self.ema_sum))
            used, heard = self._stages(found, weights.view(batch, frames), kept)  # [N] each

            stages, size = self.ema_usage.shape
            number = torch.arange(stages, device=used.device).unsqueeze(1)  # [S, 1]
            active = weights * (used > number)  # [S, N]
            inputs = found.residuals[:-1]  # [S, N, D]
            counts = active.new_zeros(stages, size).scatter_add_(1, found.codes, active)
            sums = _group_sums(
                (inputs * active.unsqueeze(-1)).flatten(0, 1), (found.codes + number * size).flatten(), stages * size
            )
            picks, picked = _random_picks(weights, size, window)
            candidates = inputs[:, picks] * (picked * active[:, picks].ne(0).unsqueeze(-1))

            # Every stage's error keeps its path to the input, and that path is the identity.
            left = _after(found.residuals, torch.minimum(number + 1, used))  # [S, N, D]
            errors = (vectors - constant + left).square().mean(2)  # [S, N]
            # One straight-through around all stages: one per stage would multiply the gradient.
            quantized = constant - _after(found.residuals, heard.unsqueeze(0))[0]
            passed = vectors + (quantized - vectors).detach()
            return Quantized(
                latents=passed.reshape(batch, frames, dim).transpose(1, 2),
                codes=_rows(torch.where(used > number, found.codes, ABSENT), batch),
                commitment=(errors * weights).sum(1) / total,
                power=_mean_square(constant, weights, total),
                statistics=Statistics(counts, sums.view(stages, size, dim), candidates),
            )

    def encode(self, latents: Tensor, stages: int) -> Tensor:
        """The codes of latents [B, D, T'] by the first `stages`: [B, stages, T'].

        Where frames differ in their stages, by so many on average over a row: [B, S, T'], ABSENT where there is none.
        """
        return self.spread(*self.search(latents, stages), stages)

    def spread(self, codes: Tensor, errors: Tensor, mean: int) -> Tensor:
        """What `search` found, but where frames differ: the codes that are worth most of as many as `mean` a frame pay
        for, else ABSENT."""
        if not self.mean:
            return codes
        frames = errors.new_full((len(errors),), errors.shape[1])
        used = allocate(errors, self.budget(frames, mean))
        number = torch.arange(codes.shape[1], device=codes.device).unsqueeze(1)
        return torch.where(used.unsqueeze(1) > number, codes, ABSENT)

    def search(self, latents: Tensor, stages: int) -> tuple[Tensor, Tensor]:
        """The codes [B, stages, T'] of latents [B, D, T'], and squared errors [B, T', stages + 1], see `allocate`.

        Of all stages where frames differ, since any of them may be worth its code.
        """
        batch, dim, _ = latents.shape
        most = len(self.ema_sum) if self.mean else stages
        found = self._search(latents.float().transpose(1, 2).reshape(-1, dim), most)
        return _rows(found.codes, batch), found.errors(batch)

    def budget(self, frames: Tensor, mean: Tensor | float) -> Tensor:
        """Stages that so many frames may have together for `mean` codes each, their count being paid for, too."""
        stages, size = self.ema_usage.shape
        return frames * (mean - count_bits(stages) / code_bits(size))

    def decode(self, codes: Tensor) -> Tensor:
        """The latents [B, D, T'] that codes [B, s, T'] of the first s stages stand for."""
        used = codes.shape[1]
        stages = zip(self.codebooks[:used], codes.unbind(1), strict=True)
        vectors = [book[chosen.clamp(min=0)] * (chosen != ABSENT).unsqueeze(-1) for book, chosen in stages]
        return torch.stack(vectors).sum(0).transpose(1, 2)

    def _search(self, vectors: Tensor, stages: int) -> Search:
        codes, residuals = [], [vectors]
        for codebook in self.codebooks[:stages]:
            codes.append(_nearest(residuals[-1], codebook))
            residuals.append(residuals[-1] - codebook[codes[-1]])
        return Search(torch.stack(codes), torch.stack(residuals))

    def _stages(self, found: Search, weights: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
        """How many stages each vector is coded with, and how many of them are passed on. [N] each."""
        batch, frames = weights.shape
        if not self.mean:
            used = found.codes.new_full((batch * frames,), len(found.codes))
            return used, used if kept is None else kept.repeat_interleave(frames)
        errors, real = found.errors(batch) * weights.unsqueeze(-1), weights.sum(1)
        used = allocate(errors, self.budget(real, self.mean)).flatten()
        return used, used if kept is None else allocate(errors, self.budget(real, kept)).flatten()

    @torch.no_grad()
    def initialise(self, latents: Tensor) -> None:
        """Set every stage by k-means on what the stages before it left of latents [B, D, T'].

        Where frames differ in their stages, a stage learns from those that most is left of. Their share falls from
        one to zero, such that its mean over stages is `mean`.
        """
        residual = latents.float().transpose(1, 2).reshape(-1, latents.shape[1])
        stages = len(self.ema_sum)
        for stage in range(stages):
            share = (1 - stage / stages) ** (stages / self.mean - 1) if self.mean else 1.0
            most = residual.square().sum(1).topk(max(round(share * len(residual)), 1)).indices
            counts, sums = _kmeans(residual[most], self.ema_usage.shape[1])
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
        # A stage that few frames need forgets as slowly as they come: by steps, its averages would be over too few
        # vectors to be better than no code, and the frames would leave it one after the other.
        needed = statistics.counts.sum(1, keepdim=True)  # [S, 1]
        kept = 1 - (1 - decay) * needed / needed[0].clamp(min=1)
        usage = kept * self.ema_usage + (1 - decay) * statistics.counts
        total = kept.unsqueeze(-1) * self.ema_sum + (1 - decay) * statistics.sums

        # A replaced code starts as an average one: sum and usage change together, the codebook with them.
        uniform = usage.mean(1, keepdim=True)  # [S, 1]
        dead = (usage < DEAD_SHARE * uniform) & statistics.candidates.ne(0).any(-1)
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


def _after(residuals: Tensor, stages: Tensor) -> Tensor:
    """What is left of each vector after so many stages: [S + 1, N, D] by [M, N] -> [M, N, D]."""
    return residuals.gather(0, stages.unsqueeze(-1).expand(-1, -1, residuals.shape[-1]))


def _rows(codes: Tensor, batch: int) -> Tensor:
    """[S, B T'] -> [B, S, T']."""
    return codes.reshape(len(codes), batch, -1).transpose(0, 1)


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
