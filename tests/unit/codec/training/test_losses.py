import pytest
import torch

from codec.training.losses import masked_l1, reported_loss, training_loss


def test_l1_is_over_real_samples_only() -> None:
    original = torch.tensor([[[1.0, 1.0, 1.0, 1.0]], [[1.0, 0.0, 0.0, 0.0]]])
    decoded = torch.tensor([[[0.5, 0.5, 0.5, 0.5]], [[0.0, 9.0, 9.0, 9.0]]])
    assert float(masked_l1(decoded, original, torch.tensor([4, 1]))) == pytest.approx((4 * 0.5 + 1) / 5)


def test_padding_has_no_gradient() -> None:
    decoded = torch.randn(1, 1, 6, requires_grad=True)
    masked_l1(decoded, torch.zeros(1, 1, 6), torch.tensor([4])).backward()
    assert decoded.grad is not None
    assert (decoded.grad[0, 0] != 0).tolist() == [True] * 4 + [False] * 2


def test_the_reported_loss_does_not_depend_on_the_weight() -> None:
    l1, commitment = torch.tensor(0.1), torch.tensor([0.4, 0.2])
    assert float(reported_loss(l1, commitment)) == pytest.approx(0.4)
    assert float(training_loss(l1, commitment, 0.25)) == pytest.approx(0.175)
