"""Six faults that are copied from one codec to the next, each by name, and the quantizer's arithmetic."""

import math

import pytest
import torch
from torch import Tensor

from codec.packing import ABSENT
from codec.quantizer import DEAD_SHARE, Quantized, ResidualQuantizer, Statistics, codes_used, perplexity

TRUE = torch.tensor(True)


def latents(batch: int = 4, dim: int = 6, frames: int = 50, seed: int = 0) -> Tensor:
    return torch.randn(batch, dim, frames, generator=torch.Generator().manual_seed(seed))


def initialised(dim: int = 6, size: int = 8, stages: int = 3) -> ResidualQuantizer:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(dim, size, stages)
    quantizer.initialise(latents(dim=dim))
    return quantizer


def test_fault_1_a_replaced_code_stays_replaced() -> None:
    quantizer = initialised(stages=1)
    x = latents()
    quantizer.ema_sum[0, 3] = 1e6 * quantizer.ema_usage[0, 3]  # far from everything: nothing will choose it
    steps_until_dead = math.ceil(math.log(DEAD_SHARE / 10) / math.log(0.9))
    for _ in range(steps_until_dead):
        quantizer.update(quantizer(x).statistics, 0.9, TRUE)
    code = quantizer.codebooks[0, 3]
    distance = (x.transpose(1, 2).reshape(-1, 6) - code).norm(dim=1).min()
    assert distance < 2  # among the data
    quantizer.update(quantizer(x).statistics, 0.9, TRUE)
    assert (quantizer.codebooks[0, 3] - code).norm() < 1  # and the next average doesn't bring the old one back


def test_fault_1_a_replaced_code_is_exactly_its_candidate() -> None:
    quantizer = initialised(stages=1, size=4)
    statistics = quantizer(latents()).statistics
    quantizer.ema_usage[0, 2] = 0
    quantizer.ema_sum[0, 2] = 0
    starved = Statistics(statistics.counts.clone(), statistics.sums.clone(), statistics.candidates)
    starved.counts[0, 2] = 0
    quantizer.update(starved, 0.99, TRUE)
    torch.testing.assert_close(quantizer.codebooks[0, 2], statistics.candidates[0, 2])


def test_fault_2_kmeans_keeps_the_sum_and_the_count_of_each_cluster() -> None:
    torch.manual_seed(0)
    centres = torch.tensor([[-10.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    sizes = torch.tensor([10, 20, 70])
    x = centres.repeat_interleave(sizes, 0) + 0.01 * torch.randn(100, 2)
    quantizer = ResidualQuantizer(2, 3, 1)
    for seed in range(20):  # k-means may start with two centres in one cluster
        torch.manual_seed(seed)
        quantizer.initialise(x.T[None])
        if quantizer.ema_usage[0].sort().values.tolist() == [10, 20, 70]:
            break
    order = quantizer.ema_usage[0].argsort()
    assert quantizer.ema_usage[0, order].tolist() == [10, 20, 70]
    torch.testing.assert_close(quantizer.ema_sum[0, order], centres * sizes[:, None], atol=0.5, rtol=0)
    torch.testing.assert_close(quantizer.codebooks[0, order], centres, atol=0.02, rtol=0)


def test_fault_3_every_stages_commitment_has_a_gradient() -> None:
    quantizer = initialised()
    for stage in range(3):
        x = latents().requires_grad_()
        quantizer(x).commitment[stage].backward()
        assert x.grad is not None
        assert float(x.grad.abs().mean()) > 1e-5


def test_fault_4_the_gradient_passes_exactly_once() -> None:
    for stages in (1, 3, 8):
        quantizer = initialised(stages=stages)
        x = latents().requires_grad_()
        upstream = torch.randn_like(x)
        quantizer(x).latents.backward(upstream)
        assert x.grad is not None
        assert torch.equal(x.grad, upstream)


def test_fault_4_commitment_is_the_error_left_after_each_stage() -> None:
    quantizer = initialised()
    x = latents()
    out = quantizer(x)
    for stage in range(3):
        rest = x - quantizer.decode(out.codes[:, : stage + 1])
        torch.testing.assert_close(out.commitment[stage], rest.square().mean())


def test_fault_6_codes_above_a_tenth_of_uniform_usage_live() -> None:
    """Fewer vectors than codes: no code can reach a fixed count, and none is dead for that."""
    quantizer = initialised(size=8, stages=1)
    before = quantizer.codebooks.clone()
    usage = torch.tensor([0.02, 0.09, 0.11, 0.2, 0.3, 0.4, 0.5, 0.6])
    usage = usage / usage.mean()
    uniform_share = usage.clone()
    quantizer.ema_usage[0], quantizer.ema_sum[0] = usage, before[0] * usage[:, None]
    nothing = Statistics(torch.zeros(1, 8), torch.zeros(1, 8, 6), torch.full((1, 8, 6), 99.0))
    quantizer.update(nothing, 0.99, TRUE)
    replaced = (quantizer.codebooks[0] == 99).all(1)
    assert replaced.tolist() == (uniform_share < DEAD_SHARE).tolist()
    assert replaced.sum() == 1


def test_fault_7_half_precision_does_not_reach_the_distances() -> None:
    quantizer = initialised()
    x = latents()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = quantizer(x)
    assert out.commitment.dtype == out.latents.dtype == torch.float32
    assert torch.equal(out.codes, quantizer(x).codes)


def test_a_non_finite_step_changes_nothing() -> None:
    quantizer = initialised()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    broken = latents()
    broken[0, 0, 0] = math.nan
    quantizer.update(quantizer(broken).statistics, 0.99, torch.tensor(False))
    assert all(torch.equal(before[name], value) for name, value in quantizer.state_dict().items())


def test_update_is_a_moving_average_of_sums_and_counts() -> None:
    quantizer = initialised()
    x = latents(seed=1)
    out = quantizer(x)
    usage, total = quantizer.ema_usage.clone(), quantizer.ema_sum.clone()
    quantizer.update(out.statistics, 0.99, TRUE)
    vectors, chosen = x.transpose(1, 2).reshape(-1, 6), out.codes[:, 0].reshape(-1)
    for code in range(8):
        mine = vectors[chosen == code]
        torch.testing.assert_close(quantizer.ema_usage[0, code], 0.99 * usage[0, code] + 0.01 * len(mine))
        torch.testing.assert_close(quantizer.ema_sum[0, code], 0.99 * total[0, code] + 0.01 * mine.sum(0))


def test_each_stage_takes_the_nearest_code_to_what_is_left() -> None:
    quantizer = initialised()
    x = latents()
    out = quantizer(x)
    residual = x.transpose(1, 2).reshape(-1, 6)
    for stage, codebook in enumerate(quantizer.codebooks):
        nearest = torch.cdist(residual, codebook).argmin(1)
        assert torch.equal(out.codes[:, stage].reshape(-1), nearest)
        residual = residual - codebook[nearest]


def test_stages_add_up_and_decode_agrees() -> None:
    quantizer = initialised(stages=4)
    x = latents()
    out = quantizer(x)
    torch.testing.assert_close(quantizer.decode(out.codes), out.latents, atol=1e-5, rtol=1e-5)
    errors = [(x - quantizer.decode(out.codes[:, :s])).square().mean() for s in range(1, 5)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < out.power


def test_masked_frames_count_for_nothing() -> None:
    quantizer = initialised()
    x = latents()
    mask = torch.ones(4, 50)
    mask[:, 30:] = 0
    masked, cut = quantizer(x, mask), quantizer(x[..., :30])
    for name in ("commitment", "power"):
        torch.testing.assert_close(getattr(masked, name), getattr(cut, name))
    for name in ("counts", "sums"):
        torch.testing.assert_close(getattr(masked.statistics, name), getattr(cut.statistics, name))
    real = x[..., :30].transpose(1, 2).reshape(-1, 6)
    assert (masked.statistics.candidates[0][:, None] == real).all(-1).any(1).all()


def test_dropout_passes_on_the_first_stages_of_a_row_and_all_stages_learn() -> None:
    quantizer = initialised(stages=3)
    x = latents()
    torch.manual_seed(1)
    dropped = quantizer(x, kept=torch.tensor([1, 2, 3, 3]))
    torch.manual_seed(1)
    whole = quantizer(x)
    for row, kept in enumerate((1, 2, 3, 3)):
        expected = quantizer.decode(whole.codes[row : row + 1, :kept])[0]
        torch.testing.assert_close(dropped.latents[row], expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(dropped.commitment, whole.commitment)
    assert torch.equal(dropped.statistics.counts, whole.statistics.counts)


def test_a_fresh_quantizer_has_usable_codes() -> None:
    quantizer = ResidualQuantizer(6, 8, 3)
    assert quantizer.codebooks.isfinite().all()
    assert float(quantizer.codebooks.abs().max()) < 10


def test_fewer_vectors_than_codes_can_initialise() -> None:
    quantizer = ResidualQuantizer(6, 64, 2)
    x = latents(batch=1, frames=10)
    quantizer.initialise(x)
    assert quantizer.ema_usage.sum(1).tolist() == [10, 10]
    quantizer.update(quantizer(x).statistics, 0.99, TRUE)
    assert quantizer.codebooks.isfinite().all()


def test_perplexity_and_codes_used_are_shares_of_the_codebook() -> None:
    counts = torch.tensor([[5, 5, 5, 5], [7, 0, 0, 0], [3, 3, 0, 0], [0, 0, 0, 0]])
    assert perplexity(counts)[:3].tolist() == pytest.approx([1, 0.25, 0.5])
    assert codes_used(counts).tolist() == [1, 0.25, 0.5, 0]


def test_encode_chooses_what_training_chooses() -> None:
    quantizer = initialised(stages=3)
    codes = quantizer(latents()).codes
    assert torch.equal(quantizer.encode(latents(), 3), codes)
    assert torch.equal(quantizer.encode(latents(), 2), codes[:, :2])


# From here on: frames with as many stages as they need. 15 stages of 16 codes: a count takes as much as a code.


def uneven(frames: int = 50, seed: int = 0) -> Tensor:
    """Latents [4, 6, frames] from loud to faint, as in speech."""
    levels = torch.logspace(1, -2, frames)[torch.randperm(frames, generator=torch.Generator().manual_seed(seed))]
    return latents(frames=frames, seed=seed) * levels


def varying(mean: int = 6, stages: int = 15, size: int = 16) -> ResidualQuantizer:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(6, size, stages, mean=mean)
    quantizer.initialise(torch.cat([uneven(seed=seed) for seed in range(8)]))
    return quantizer


def counts_of(codes: Tensor) -> Tensor:
    """Stages of each frame, [B, T']; codes are absent exactly from there on."""
    counts = (codes != ABSENT).sum(1)
    expected = torch.arange(codes.shape[1]).view(1, -1, 1) < counts.unsqueeze(1)
    assert torch.equal(codes != ABSENT, expected)
    assert codes.min() >= ABSENT
    return counts


@pytest.mark.parametrize("mean", [2, 6, 15])
def test_frames_differ_in_their_codes_and_their_counts_are_paid_for(mean: int) -> None:
    codes = varying(mean)(uneven()).codes
    counts = counts_of(codes)
    count_bits = code_bits = 4
    bits = 50 * count_bits + counts.sum(1) * code_bits
    assert (bits <= 50 * mean * code_bits).all()
    assert (bits >= 0.95 * 50 * mean * code_bits).all()
    assert int(codes.max()) < 16
    if mean < 15:
        levels = uneven().square().sum(1)
        assert counts[levels > levels.median()].float().mean() > 2 * counts[levels < levels.median()].float().mean()


def test_sharing_out_leaves_less_error_than_as_many_codes_in_every_frame() -> None:
    quantizer = varying(mean=6)
    x = uneven()
    codes = quantizer(x).codes
    _, errors = quantizer.search(x, 15)
    everywhere = errors[..., 5].sum()  # as much, and no count to pay for but the same for all
    shared = (x - quantizer.decode(codes)).square().sum()
    assert float(shared) < 0.5 * float(everywhere)


def test_decoding_and_encoding_agree_with_the_forward_pass_where_frames_differ() -> None:
    quantizer, x = varying(), uneven()
    out = quantizer(x)
    torch.testing.assert_close(quantizer.decode(out.codes), out.latents, atol=1e-5, rtol=1e-5)
    assert torch.equal(quantizer.encode(x, 6), out.codes)
    fewer = quantizer.encode(x, 3)
    assert counts_of(fewer).sum() < counts_of(out.codes).sum()
    assert torch.equal(fewer[fewer != ABSENT], out.codes[fewer != ABSENT])


def test_no_codes_at_all_are_zero() -> None:
    quantizer = varying()
    assert quantizer.decode(torch.full((2, 15, 3), ABSENT)).tolist() == torch.zeros(2, 6, 3).tolist()


def test_fault_3_and_4_the_gradient_passes_exactly_once_and_every_used_stage_sends_its_own() -> None:
    quantizer = varying()
    x = uneven().requires_grad_()
    upstream = torch.randn_like(x)
    out = quantizer(x)
    (passed,) = torch.autograd.grad(out.latents, x, upstream, retain_graph=True)
    assert torch.equal(passed, upstream)
    most = int(counts_of(out.codes).max())
    assert most > 6
    for stage in range(most):
        (gradient,) = torch.autograd.grad(out.commitment[stage], x, retain_graph=True)
        left = x.detach() - quantizer.decode(out.codes[:, : stage + 1])
        assert gradient.any()
        torch.testing.assert_close(gradient, 2 * left / x.numel(), atol=1e-7, rtol=1e-3)


def test_commitment_is_the_error_left_after_the_stages_that_a_frame_has() -> None:
    quantizer, x = varying(), uneven()
    out = quantizer(x)
    for stage in range(15):
        rest = x - quantizer.decode(out.codes[:, : stage + 1])
        torch.testing.assert_close(out.commitment[stage], rest.square().mean(), rtol=1e-4, atol=1e-6)


def test_a_stage_learns_from_the_frames_that_use_it() -> None:
    quantizer, x = varying(), uneven()
    out = quantizer(x)
    for stage in range(15):
        residual = x if stage == 0 else x - quantizer.decode(out.codes[:, :stage])
        chosen = out.codes[:, stage].flatten()
        vectors = residual.transpose(1, 2).reshape(-1, 6)
        for code in range(16):
            mine = vectors[chosen == code]
            assert float(out.statistics.counts[stage, code]) == len(mine)
            torch.testing.assert_close(out.statistics.sums[stage, code], mine.sum(0), atol=1e-3, rtol=1e-4)
        users = vectors[chosen != ABSENT]
        for candidate in out.statistics.candidates[stage]:
            assert not candidate.any() or torch.isclose(candidate, users, atol=1e-4).all(1).any()


def test_masked_frames_count_for_nothing_and_pay_for_nothing() -> None:
    quantizer, x = varying(), uneven()
    mask = torch.ones(4, 50)
    mask[:, 30:] = 0
    masked, cut = quantizer(x, mask), quantizer(x[..., :30])
    assert torch.equal(masked.codes[..., :30], cut.codes)
    assert (masked.codes[..., 30:] == ABSENT).all()
    for name in ("commitment", "power"):
        torch.testing.assert_close(getattr(masked, name), getattr(cut, name))
    for name in ("counts", "sums"):
        torch.testing.assert_close(getattr(masked.statistics, name), getattr(cut.statistics, name))


def test_a_stage_that_nobody_needed_keeps_its_state() -> None:
    quantizer = varying(mean=2)
    x = uneven()
    out = quantizer(x)
    most = int(counts_of(out.codes).max())
    assert most < 15
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    for _ in range(100):
        quantizer.update(out.statistics, 0.9, TRUE)
    for name, value in quantizer.state_dict().items():
        assert torch.equal(value[most:], before[name][most:])
        assert not torch.equal(value[:most], before[name][:most])


def test_dropout_passes_on_the_most_useful_codes_and_all_stages_learn() -> None:
    def run(kept: Tensor | None) -> Quantized:
        torch.manual_seed(1)
        return varying()(uneven(), kept=kept)

    dropped, whole = run(torch.tensor([1, 2, 5, 6])), run(None)
    for row, kept in enumerate((1, 2, 5, 6)):
        expected = varying().decode(varying().encode(uneven()[row : row + 1], kept))
        torch.testing.assert_close(dropped.latents[row : row + 1], expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(dropped.latents[3], whole.latents[3])
    assert torch.equal(dropped.codes, whole.codes)
    assert torch.equal(dropped.commitment, whole.commitment)
    for name in ("counts", "sums", "candidates"):
        assert torch.equal(getattr(dropped.statistics, name), getattr(whole.statistics, name))


def test_the_level_of_latents_and_codebooks_together_changes_no_count() -> None:
    quantizer, x = varying(), uneven()
    counts = counts_of(quantizer(x).codes)
    quantizer.ema_sum *= 8
    assert torch.equal(counts_of(quantizer(8 * x).codes), counts)


@pytest.mark.parametrize(("mean", "stages"), [(6, 15), (2, 15), (15, 15), (1, 4)])
def test_kmeans_gives_late_stages_the_frames_that_most_is_left_of(mean: int, stages: int) -> None:
    quantizer = varying(mean=mean, stages=stages)
    shares = quantizer.ema_usage.sum(1) / (8 * 4 * 50)
    assert float(shares[0]) == 1
    assert (shares.diff() <= 0).all()
    if mean == stages:
        assert (shares == 1).all()
    else:
        # The mean over stages of (1 - x)^p is that of its upper sums: between mean / stages and one stage's share more.
        assert mean / stages <= float(shares.mean()) <= (mean + 1) / stages
    assert quantizer.codebooks.isfinite().all()
    assert float(quantizer.codebooks[-1].square().mean()) < float(quantizer.codebooks[0].square().mean())


def test_silence_needs_no_codes() -> None:
    out = varying()(torch.zeros(2, 6, 20))
    assert (out.codes == ABSENT).all()
    assert not out.latents.any()
    assert out.statistics.counts.sum() == 0
