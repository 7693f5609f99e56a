import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from codec.model.allocation import allocate

seeds = st.integers(0, 10_000)


def convex(rows: int, frames: int, stages: int, seed: int) -> Tensor:
    """Errors [rows, frames, stages + 1] that every stage lowers, each by less than the one before it."""
    random = np.random.default_rng(seed)
    gains = np.sort(random.uniform(0.01, 1, (rows, frames, stages))) * random.uniform(0.1, 10, (rows, frames, 1))
    errors = np.concatenate([np.zeros((rows, frames, 1)), gains.cumsum(2)], 2)
    return torch.from_numpy(errors[..., ::-1].copy()).float()


def total(errors: Tensor, stages: Tensor) -> Tensor:
    """The sum of errors of each row, [B]."""
    return errors.gather(2, stages.unsqueeze(2)).sum((1, 2))


@given(st.integers(1, 4), st.integers(1, 40), st.integers(1, 12), st.floats(-2, 14), seeds)
def test_the_budget_is_never_exceeded(rows: int, frames: int, stages: int, mean: float, seed: int) -> None:
    errors = torch.rand(rows, frames, stages + 1, generator=torch.Generator().manual_seed(seed))
    budget = torch.linspace(mean, mean / 2, rows) * frames
    taken = allocate(errors, budget)
    assert (taken.shape, taken.dtype) == ((rows, frames), torch.int64)
    assert (taken.sum(1) <= budget.clamp(min=0)).all()
    assert taken.min() >= 0
    assert taken.max() <= stages


@given(st.integers(1, 200), st.integers(1, 12), st.floats(0, 12), seeds)
def test_the_budget_is_spent_where_every_stage_helps(frames: int, stages: int, mean: float, seed: int) -> None:
    budget = min(int(mean * frames), stages * frames)
    spent = int(allocate(convex(1, frames, stages, seed), torch.tensor([float(budget)])).sum())
    assert budget - 1 <= spent <= budget


@given(st.integers(1, 5), st.integers(1, 3), seeds)
def test_no_other_way_to_spend_as_much_has_a_smaller_error(frames: int, stages: int, seed: int) -> None:
    errors = convex(1, frames, stages, seed)
    for budget in range(frames * stages + 1):
        taken = allocate(errors, torch.tensor([float(budget)]))
        ways = torch.tensor([way for way in itertools.product(range(stages + 1), repeat=frames) if sum(way) <= budget])
        best = total(errors.expand(len(ways), -1, -1), ways).min()
        torch.testing.assert_close(total(errors, taken)[0], best, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("budget", [1, 50, 99, 100, 250, 399, 400])
def test_frames_that_are_all_alike_leave_nothing_unspent(budget: int) -> None:
    """A steady tone: at any price all of them want the same."""
    errors = torch.tensor([1, 0.4, 0.2, 0.1, 0.05]).expand(1, 100, 5)
    assert int(allocate(errors, torch.tensor([float(budget)])).sum()) == budget


def test_a_frame_with_more_to_gain_gets_more() -> None:
    falling = 0.5 ** torch.arange(9.0)  # a stage halves the error
    taken = allocate(torch.stack([falling, 4 * falling, 16 * falling]).unsqueeze(0), torch.tensor([9.0]))
    assert taken.tolist() == [[1, 3, 5]]


def test_a_stage_that_does_not_help_is_not_paid_for_but_one_behind_it_may_be() -> None:
    errors = torch.tensor([[[1, 1, 0.1, 0.1], [1, 2, 3, 4], [1, 0.5, 0.6, 0.7]]])
    assert allocate(errors, torch.tensor([9.0])).tolist() == [[2, 0, 1]]


def test_frames_without_an_error_get_nothing_and_the_others_their_share() -> None:
    """Masked frames come as zeros."""
    errors = convex(1, 10, 6, seed=0)
    masked = torch.cat([errors, torch.zeros(1, 30, 7)], 1)
    budget = torch.tensor([25.0])
    taken = allocate(masked, budget)
    assert taken[:, 10:].sum() == 0
    assert torch.equal(taken[:, :10], allocate(errors, budget))


@given(st.integers(2, 5), seeds)
def test_rows_do_not_see_each_other_nor_does_their_level_matter(rows: int, seed: int) -> None:
    errors, budget = convex(rows, 20, 5, seed), torch.arange(1, rows + 1) * 15.0
    errors[0] = 0  # silence
    taken = allocate(errors, budget)
    alone = [allocate(row[None], own[None])[0] for row, own in zip(errors, budget, strict=True)]
    assert torch.equal(taken, torch.stack(alone))
    assert taken[0].sum() == 0
    levels = 4.0 ** torch.arange(-rows, rows, 2).view(-1, 1, 1)
    assert torch.equal(allocate(errors * levels, budget), taken)


@pytest.mark.parametrize("budget", [0.0, -0.5, -1e6])
def test_without_a_budget_there_is_nothing(budget: float) -> None:
    assert allocate(convex(1, 20, 5, seed=0), torch.tensor([budget])).sum() == 0


def test_more_budget_takes_no_stage_from_any_frame() -> None:
    """So dropout hears the first of the stages that are coded."""
    errors = torch.cat([convex(1, 50, 8, seed=1), convex(1, 1, 8, seed=2).expand(1, 50, 9)], 1)
    taken = [allocate(errors, torch.tensor([float(budget)])) for budget in range(0, 810, 10)]
    assert all((less <= more).all() for less, more in itertools.pairwise(taken))
