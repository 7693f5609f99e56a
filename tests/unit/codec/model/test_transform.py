import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from codec.model.transform import LappedTransform

HOPS = (2, 4, 10, 20, 80)


def noise(samples: int, rows: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(rows, 1, samples, generator=torch.Generator().manual_seed(seed))


@given(st.sampled_from(HOPS), st.integers(1, 12), st.integers(1, 3))
def test_it_is_undone_exactly_and_keeps_the_energy_from_one_frame_on(hop: int, frames: int, rows: int) -> None:
    transform, audio = LappedTransform(hop, hop), noise(frames * hop, rows)
    coefficients = transform(audio)
    assert coefficients.shape == (rows, hop, frames)
    torch.testing.assert_close(transform.inverse(coefficients), audio, atol=1e-5, rtol=0)
    torch.testing.assert_close(coefficients.square().sum((1, 2)), audio.square().sum((1, 2)))


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_its_rows_are_orthonormal_at_the_edges_too(frames: int) -> None:
    hop = 10
    rows = LappedTransform(hop, hop)(torch.eye(frames * hop).unsqueeze(1)).flatten(1)  # [samples, coefficients]
    torch.testing.assert_close(rows @ rows.T, torch.eye(frames * hop), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.T @ rows, torch.eye(frames * hop), atol=1e-5, rtol=0)


def test_an_impulse_comes_back_where_it_was_and_touches_its_own_and_one_other_frame() -> None:
    hop, frames = 20, 6
    transform = LappedTransform(hop, hop)
    for position in range(frames * hop):
        audio = torch.zeros(1, 1, frames * hop)
        audio[..., position] = 1
        coefficients = transform(audio)
        touched = coefficients[0].abs().amax(0).gt(1e-6).nonzero().flatten()
        nearest = round((position + 0.5) / hop)  # the edge between frames that it lies nearest to
        allowed = {max(nearest - 1, 0), min(nearest, frames - 1)}
        assert position // hop in touched.tolist()
        assert set(touched.tolist()) <= allowed
        assert int(transform.inverse(coefficients)[0, 0].argmax()) == position


def test_fewer_rows_are_the_first_of_all() -> None:
    hop, kept = 20, 7
    whole, few, audio = LappedTransform(hop, hop), LappedTransform(hop, kept), noise(100)
    coefficients = whole(audio)
    torch.testing.assert_close(few(audio), coefficients[:, :kept])
    coefficients[:, kept:] = 0
    torch.testing.assert_close(few.inverse(coefficients[:, :kept]), whole.inverse(coefficients))


def test_the_first_rows_are_the_low_frequencies() -> None:
    hop = 80
    for row in (2, 40, 70):
        tone = torch.sin(torch.pi * (row + 0.5) / hop * torch.arange(20 * hop)).reshape(1, 1, -1)
        power = LappedTransform(hop, hop)(tone)[0, :, 1:-1].square().mean(1)
        assert abs(int(power.argmax()) - row) <= 1
        assert power[max(row - 2, 0) : row + 3].sum() > 0.98 * power.sum()


def test_half_precision_does_not_reach_it() -> None:
    transform, audio = LappedTransform(20, 20), noise(100)
    coefficients = transform(audio)
    decoded = transform.inverse(coefficients)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(transform(audio), coefficients)
        assert torch.equal(transform.inverse(coefficients), decoded)
        half = transform(audio.bfloat16()), transform.inverse(coefficients.bfloat16())
    assert [part.dtype for part in half] == [torch.float32] * 2


def test_gradients_go_through_both_ways_unchanged_in_size() -> None:
    """What is orthonormal has its own transpose as its inverse."""
    transform, audio = LappedTransform(10, 10), noise(50).requires_grad_()
    upstream = noise(50, seed=1)
    transform.inverse(transform(audio)).backward(upstream)
    torch.testing.assert_close(audio.grad, upstream, atol=1e-5, rtol=0)
    coefficients = noise(50, seed=2).reshape(1, 10, 5).requires_grad_()
    transform.inverse(coefficients).backward(upstream)
    torch.testing.assert_close(coefficients.grad, transform(upstream), atol=1e-5, rtol=0)


def test_it_is_nothing_that_a_checkpoint_holds() -> None:
    transform = LappedTransform(10, 10)
    assert (transform.state_dict(), list(transform.parameters())) == ({}, [])
