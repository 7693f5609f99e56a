import pytest
import torch

from codec.config import ModelConfig
from codec.errors import UserError
from codec.model import Codec


def small(strides: tuple[int, ...] = (2, 5)) -> ModelConfig:
    return ModelConfig(
        hidden_dim=4 * 2 ** len(strides),
        strides=strides,
        num_quantizers=3,
        codebook_size=16,
        codebook_dim=4,
    )


@pytest.mark.parametrize("strides", [(2,), (3,), (2, 5), (5, 3), (3, 3)])
def test_every_length_comes_back(strides: tuple[int, ...]) -> None:
    model = Codec(small(strides))
    hop = model.config.hop
    for length in range(1, 4 * hop + 2):
        audio = torch.randn(1, 1, length)
        decoded = model(audio)
        assert decoded.audio.shape == audio.shape
        assert decoded.codes.shape == (1, 3, -(-length // hop))


@pytest.mark.parametrize("strides", [(4,), (5,), (2, 3), (3, 3)])
def test_an_impulse_is_not_delayed(strides: tuple[int, ...]) -> None:
    """What an output sample depends on lies, over a hop of positions, as far before as after it."""
    torch.manual_seed(0)
    model = Codec(small(strides)).double()
    hop = model.config.hop
    reach = 160 * hop  # more than what the residual units of all blocks see
    audio = torch.randn(1, 1, 2 * reach, dtype=torch.double, requires_grad=True)
    decoded = model.decoder(model.project_out(model.latents(audio)))[0, 0]

    # Gradients, not differences of outputs: at the ends of the reach those drown in rounding.
    earliest, latest = 0, 0
    for position in range(reach, reach + hop):
        (gradient,) = torch.autograd.grad(decoded[position], audio, retain_graph=True)
        touched = gradient[0, 0].nonzero().flatten() - position
        earliest, latest = min(earliest, int(touched.min())), max(latest, int(touched.max()))
    assert -reach < earliest < 0
    assert earliest == -latest


def test_decoding_the_codes_is_what_the_forward_pass_heard() -> None:
    model = Codec(small())
    audio = torch.randn(2, 1, 203)
    decoded = model(audio)
    torch.testing.assert_close(model.decode(model.encode(audio), 203), decoded.audio, atol=1e-5, rtol=1e-4)


def test_padding_behind_a_short_clip_counts_for_nothing() -> None:
    torch.manual_seed(0)
    model = Codec(small())
    audio = torch.randn(2, 1, 100)
    audio[1, :, 40:] = 0
    statistics = model(audio, torch.tensor([100, 40])).statistics
    assert statistics.counts.sum(1).tolist() == [14.0] * 3  # 10 frames of one, 4 of the other


def test_output_is_bounded_and_every_parameter_learns() -> None:
    model = Codec(small())
    decoded = model(torch.randn(2, 1, 200) * 5)
    assert float(decoded.audio.abs().max().detach()) <= 1
    (decoded.audio.square().mean() + decoded.commitment.mean()).backward()
    without = [name for name, parameter in model.named_parameters() if not parameter.grad.any()]  # type: ignore[union-attr]
    assert without == []


def test_channels_double_from_hidden_dim_over_two_to_the_strides() -> None:
    model = Codec(ModelConfig(hidden_dim=64, strides=(2, 2, 4), codebook_dim=16))
    assert model.encoder[0].out_channels == 8  # type: ignore[union-attr]
    assert 50_000 < sum(parameter.numel() for parameter in model.parameters()) < 200_000


def test_a_width_that_can_not_be_halved_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="--hidden_dim 100: must be divisible by 8"):
        ModelConfig(hidden_dim=100, strides=(2, 2, 4))
