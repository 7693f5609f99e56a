"""The quantizer where frames have as many stages as they need. With 15 stages of 16 codes a count takes 4 bits, too."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from codec.codes import ABSENT
from codec.model.quantizer import Quantized, ResidualQuantizer

TRUE = torch.tensor(True)


def uneven(frames: int = 50, seed: int = 0) -> Tensor:
    """Latents [4, 6, frames] from loud to faint, as in speech."""
    random = torch.Generator().manual_seed(seed)
    levels = torch.logspace(1, -2, frames)[torch.randperm(frames, generator=random)]
    return torch.randn(4, 6, frames, generator=random) * levels


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


def test_a_stage_that_few_frames_need_forgets_as_slowly_as_they_come() -> None:
    """So its average is over as many vectors as that of the first stage, and does not fade."""
    quantizer, x = varying(), uneven()
    statistics = quantizer(x).statistics
    users = statistics.counts.sum(1)
    last = int(users.nonzero().max())
    assert users[last] < 0.2 * users[0]
    for stage in (0, 5, last):
        forgotten = 0.1 * users[stage] / users[0]
        usage, total = quantizer.ema_usage[stage].clone(), quantizer.ema_sum[stage].clone()
        moved = copy.deepcopy(quantizer)
        moved.update(replace(statistics, candidates=torch.zeros_like(statistics.candidates)), 0.9, TRUE)
        torch.testing.assert_close(
            moved.ema_usage[stage], (1 - forgotten) * usage + 0.1 * statistics.counts[stage], atol=1e-4, rtol=1e-5
        )
        torch.testing.assert_close(
            moved.ema_sum[stage], (1 - forgotten) * total + 0.1 * statistics.sums[stage], atol=1e-4, rtol=1e-5
        )


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
