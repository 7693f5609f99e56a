import pytest
import torch

from codec.model.layers import Snake, down_conv, residual_units, same_conv, up_conv


def test_snake_is_its_formula_per_channel() -> None:
    snake = Snake(2)
    with torch.no_grad():
        snake.alpha.copy_(torch.tensor([0.5, 3.0]).view(1, 2, 1))
    x = torch.linspace(-4, 4, 50).expand(1, 2, 50)
    for channel, alpha in enumerate((0.5, 3.0)):
        expected = x[0, channel] + torch.sin(alpha * x[0, channel]) ** 2 / alpha
        torch.testing.assert_close(snake(x)[0, channel], expected)


@pytest.mark.parametrize("stride", range(2, 10))
def test_resampling_keeps_every_length_that_is_a_multiple_of_the_stride(stride: int) -> None:
    down, up = down_conv(1, 1, stride), up_conv(1, 1, stride)
    for frames in range(1, 5):
        x = torch.zeros(1, 1, frames * stride)
        assert down(x).shape[-1] == frames
        assert up(down(x)).shape == x.shape


def test_residual_units_keep_the_shape_and_see_39_frames_to_each_side() -> None:
    units = residual_units(4)
    x = torch.randn(1, 4, 101, requires_grad=True)
    units(x)[0, :, 50].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0).nonzero().flatten()
    assert (int(seen.min()), int(seen.max())) == (50 - 39, 50 + 39)


def test_initialisation_reaches_the_weights_that_the_layer_uses() -> None:
    torch.manual_seed(0)
    layer = same_conv(64, 64, 7)
    spread = (1 / (64 * 7 * 3)) ** 0.5  # of the uniform distribution within 1 / sqrt(fan in)
    assert float(layer.weight.detach().std()) == pytest.approx(spread, rel=0.05)
    assert not layer.bias.any()
