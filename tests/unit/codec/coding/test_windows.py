import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from codec.coding.windows import reach, windows
from codec.config import ModelConfig
from codec.model.codec import Codec


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    block=st.integers(1, 12),
    context=st.integers(0, 12),
)
def test_windows_cover_the_signal_once_with_all_the_context_there_is(
    lengths: list[int], block: int, context: int
) -> None:
    signal = torch.arange(sum(lengths))
    done = 0
    for part, first, count in windows(signal.split(lengths), block, context):
        start, end = done - first, done - first + len(part)
        assert torch.equal(part, signal[start:end])
        assert first == min(context, done)
        assert end == min(done + count + context, len(signal))
        assert 0 < count <= block
        done += count
    assert done == len(signal)


def dependence(layer: torch.nn.Module, channels: int, length: int, steps_in: int, steps_out: int) -> tuple[int, int]:
    """How many samples before and after its own an output depends on, by its gradient."""
    x = torch.randn(1, channels, length, dtype=torch.double, requires_grad=True)
    y: Tensor = layer(x)
    middle = y.shape[-1] // 2
    (gradient,) = torch.autograd.grad(y[..., middle].sum(), x)
    touched = gradient[0].abs().sum(0).nonzero().flatten() * steps_in
    centre = middle * steps_out
    return centre - int(touched.min()), int(touched.max()) + steps_in - 1 - centre


def test_reach_is_at_least_what_an_output_depends_on() -> None:
    for strides in ((2, 5), (3,), (4, 4), (2, 3, 2)):
        torch.manual_seed(0)
        config = ModelConfig(hidden_dim=4 * 2 ** len(strides), strides=strides, num_quantizers=1, codebook_dim=4)
        model, hop = Codec(config).double(), config.hop
        before, after = dependence(model.encoder, 1, 400 * hop, 1, hop)
        assert 30 < max(before, after) <= reach(model.encoder, 1) < 2 * max(before, after)
        before, after = dependence(model.decoder, config.hidden_dim, 400, hop, 1)
        assert 30 < max(before, after - hop + 1) <= reach(model.decoder, hop) < 2 * max(before, after) + 4 * hop
