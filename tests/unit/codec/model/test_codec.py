import math
from dataclasses import replace

import pytest
import torch

from codec.codes import ABSENT
from codec.config import ModelConfig
from codec.errors import UserError
from codec.model.codec import LOUDEST, Codec


def small(strides: tuple[int, ...] = (2, 5)) -> ModelConfig:
    return ModelConfig(
        hidden_dim=4 * 2 ** len(strides),
        strides=strides,
        num_quantizers=3,
        codebook_size=16,
        codebook_dim=4,
    )


def lapped(strides: tuple[int, ...] = (4, 5), codebook_dim: int = 20) -> ModelConfig:
    """With an MDCT, and frames that differ in their codes."""
    return replace(small(strides), codebook_dim=codebook_dim, num_quantizers=15, mean_quantizers=6, transform="mdct")


@pytest.mark.parametrize("strides", [(2,), (3,), (2, 5), (5, 3), (3, 3)])
def test_every_length_comes_back(strides: tuple[int, ...]) -> None:
    model = Codec(small(strides))
    hop = model.config.hop
    for length in range(1, 4 * hop + 2):
        audio = torch.randn(1, 1, length)
        decoded = model(audio)
        assert decoded.audio.shape == audio.shape
        assert decoded.codes.shape == (1, 3, -(-length // hop))


@pytest.mark.parametrize(
    "config", [small((4,)), small((5,)), small((2, 3)), small((3, 3)), lapped((4,), 4), lapped((2, 3), 5)]
)
def test_an_impulse_is_not_delayed(config: ModelConfig) -> None:
    """What an output sample depends on lies, over a hop of positions, as far before as after it."""
    torch.manual_seed(0)
    model = Codec(config)
    learn(model)
    kind = torch.float if model.transform else torch.double  # a transform computes in float32, whatever it gets
    model.to(kind)
    hop = config.hop
    reach = 160 * hop  # more than what the residual units of all blocks see
    audio = (0.1 * torch.randn(1, 1, 2 * reach, dtype=kind)).requires_grad_()
    decoded = model._synthesise(model.latents(audio), 2 * reach)[0, 0]

    # Gradients, not differences of outputs: at the ends of the reach those drown in rounding.
    earliest, latest = 0, 0
    for position in range(reach, reach + hop):
        (gradient,) = torch.autograd.grad(decoded[position], audio, retain_graph=True)
        touched = gradient[0, 0].nonzero().flatten() - position
        earliest, latest = min(earliest, int(touched.min())), max(latest, int(touched.max()))
    assert -reach < earliest < 0
    assert earliest == -latest


def learn(model: Codec) -> None:
    """Where the learned path is silent at first, let it speak."""
    with torch.no_grad():
        for name, gain in model.named_parameters():
            if name.endswith("original0") and not gain.any():
                gain.fill_(0.1)


@pytest.mark.parametrize("config", [small(), lapped(), lapped(codebook_dim=7)])
def test_decoding_the_codes_is_what_the_forward_pass_heard(config: ModelConfig) -> None:
    model = Codec(config)
    learn(model)
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


@pytest.mark.parametrize("strides", [(2,), (4, 5)])
def test_a_lapped_transform_is_the_whole_codec_at_first(strides: tuple[int, ...]) -> None:
    """Without the quantizer the audio comes back as it was, whatever its length."""
    hop = math.prod(strides)
    model = Codec(lapped(strides, hop))
    for length in range(1, 2 * hop + 2):
        audio = torch.rand(2, 1, length) * 1.9 - 0.95  # as loud as normalized audio may be
        latents = model.latents(audio)
        assert latents.shape == (2, hop, -(-length // hop))
        torch.testing.assert_close(model._synthesise(latents, length), audio, atol=1e-4, rtol=0)


def test_beyond_full_scale_a_lapped_transform_stays_finite() -> None:
    model = Codec(lapped())
    audio = torch.tensor([1.0, -1.0, 7.0, -7.0, 0.0]).repeat(40).reshape(1, 1, -1)
    expected = audio.clamp(-LOUDEST, LOUDEST)
    torch.testing.assert_close(model._synthesise(model.latents(audio), 200), expected, atol=1e-3, rtol=0)


def test_what_quantization_leaves_of_the_audio_is_what_it_leaves_of_the_coefficients() -> None:
    torch.manual_seed(0)
    model = Codec(lapped())
    audio = 0.01 * torch.randn(1, 1, 2000)  # where tanh is straight
    latents = model.latents(audio)
    model.quantizer.initialise(latents.detach())
    decoded = model(audio)
    in_latents = (latents - model.quantizer.decode(decoded.codes)).square().sum()
    in_audio = (decoded.audio - audio).square().sum()
    # At the very ends the inverse has to enlarge it.
    torch.testing.assert_close(in_audio, in_latents, rtol=0.02, atol=0)


def test_padding_behind_a_short_clip_has_no_codes() -> None:
    model = Codec(lapped())
    audio = torch.randn(2, 1, 200)
    audio[1, :, 65:] = 0
    codes = model(audio, torch.tensor([200, 65])).codes
    assert (codes[1, :, 4:] == ABSENT).all()
    assert codes.shape == (2, 15, 10)


def test_every_parameter_beside_a_lapped_transform_learns_within_two_steps() -> None:
    torch.manual_seed(0)
    model = Codec(lapped())
    audio = 0.3 * torch.randn(2, 1, 400)
    model.quantizer.initialise(model.latents(audio).detach())
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(2):
        decoded = model(audio)
        optimizer.zero_grad()
        ((decoded.audio - audio).abs().mean() + decoded.commitment.mean()).backward()
        optimizer.step()
    without = [name for name, parameter in model.named_parameters() if not parameter.grad.any()]  # type: ignore[union-attr]
    assert without == []


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
