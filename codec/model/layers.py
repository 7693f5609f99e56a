"""The layers of the encoder and the decoder: Snake, weight-normed convolutions, resampling blocks."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class Snake(nn.Module):
    """x + sin²(alpha x) / alpha with one learned alpha per channel (Ziyin et al. 2020). [B, C, T] -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        # The sine in float32: in bfloat16 its argument would have two digits. Compiled, that costs nothing.
        wide = x.float()
        if torch.is_grad_enabled():
            return (wide + torch.sin(self.alpha * wide).square() / (self.alpha + 1e-9)).to(x.dtype)
        # Memory is what it takes time for: without a gradient, all in one new tensor.
        return (self.alpha * wide).sin_().square_().div_(self.alpha + 1e-9).add_(wide).to(x.dtype)


def conv(
    channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, padding: int, dilation: int = 1
) -> nn.Module:
    """A weight-normed convolution, [B, channels_in, T] -> [B, channels_out, T']."""
    layer = nn.Conv1d(channels_in, channels_out, kernel, stride=stride, padding=padding, dilation=dilation)
    return _initialised(layer)


def same_conv(channels_in: int, channels_out: int, kernel: int, *, dilation: int = 1) -> nn.Module:
    """A convolution of odd kernel that keeps the length and is centred on each sample."""
    return conv(channels_in, channels_out, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation)


def down_conv(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """T -> T / stride, for T a multiple of the stride."""
    return conv(channels_in, channels_out, 2 * stride, stride=stride, padding=(stride + 1) // 2)


def up_conv(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """T -> T * stride: the transpose of `down_conv`, so that the pair delays nothing.

    An odd stride needs one sample of output padding, or each block would lose one.
    """
    layer = nn.ConvTranspose1d(
        channels_in,
        channels_out,
        2 * stride,
        stride=stride,
        padding=(stride + 1) // 2,
        output_padding=stride % 2,
    )
    return _initialised(layer)


class ResidualUnit(nn.Module):
    """x + conv1(snake(conv7(snake(x)))), the wide convolution dilated. [B, C, T] -> same."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            Snake(channels),
            same_conv(channels, channels, 7, dilation=dilation),
            Snake(channels),
            same_conv(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return x + self.block(x)  # type: ignore[no-any-return]


def residual_units(channels: int) -> nn.Sequential:
    """Three residual units whose dilations 1, 3, 9 see 79 frames."""
    return nn.Sequential(*(ResidualUnit(channels, dilation) for dilation in (1, 3, 9)))


@torch.no_grad()
def silence(layer: nn.Module) -> None:
    """Set the gains of a convolution of this module to zero: its output is zero until it has learned something."""
    layer.get_parameter("parametrizations.weight.original0").zero_()


def _initialised(layer: nn.Conv1d | nn.ConvTranspose1d) -> nn.Module:
    # Before weight_norm: after it `weight` is computed from g and v, and an initialiser changes nothing.
    nn.init.kaiming_uniform_(layer.weight, a=5**0.5)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return weight_norm(layer)  # type: ignore[no-any-return]
