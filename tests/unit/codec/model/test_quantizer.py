"""Six faults that are copied from one codec to the next, each by name, and the quantizer's arithmetic."""

import math

import pytest
import torch
from torch import Tensor

from codec.model.quantizer import DEAD_SHARE, ResidualQuantizer, Statistics, codes_used, perplexity

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
