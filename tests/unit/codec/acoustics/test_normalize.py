import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codec.acoustics.normalize import PEAK_LIMIT, TARGET_RMS, normalize
from codec.audio import SILENCE_RMS


def noise(rms: float, length: int = 4000, seed: int = 0) -> torch.Tensor:
    """Uniform noise [1, T]: its crest factor is only 4.8 dB, so that the peak limit stays out of the way."""
    x = torch.rand(1, length, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return x * rms / x.square().mean().sqrt()


def rms(x: torch.Tensor) -> float:
    return float(x.square().mean().sqrt())


@given(st.floats(-100, 0), st.floats(1, 40), st.integers(2, 400))
def test_dividing_by_the_gain_restores_the_level_and_no_limit_is_passed(
    level: float, sparseness: float, length: int
) -> None:
    x = noise(10 ** (level / 20), length) ** 3 * sparseness
    y, gain = normalize(x)
    torch.testing.assert_close(y / gain, x)
    assert float(y.abs().max()) <= PEAK_LIMIT * 1.00001
    assert rms(y) <= TARGET_RMS * 1.00001
    assert float(gain) <= TARGET_RMS / SILENCE_RMS * 1.00001


@pytest.mark.parametrize("level", [-49.9, -38, -23, -12, -5])
def test_every_level_comes_out_at_16_db_below_full_scale(level: float) -> None:
    y, _ = normalize(noise(10 ** (level / 20)))
    assert rms(y) == pytest.approx(0.158489, rel=1e-4)


def test_below_the_silence_floor_the_gain_is_34_db_and_no_more() -> None:
    for x in (noise(10 ** (-60 / 20)), torch.zeros(1, 100)):
        y, gain = normalize(x)
        assert float(gain) == pytest.approx(10 ** (34 / 20))
        torch.testing.assert_close(y, x * gain)


def test_a_high_peak_lowers_the_gain_and_is_not_clipped() -> None:
    x = noise(0.01)
    x[0, 7] = 0.9
    y, gain = normalize(x)
    assert float(y.abs().max()) == pytest.approx(PEAK_LIMIT)
    torch.testing.assert_close(y / gain, x)


def test_each_signal_has_its_own_gain_from_its_real_samples_alone() -> None:
    loud, quiet = noise(0.5), noise(0.02, seed=1)
    x = torch.stack([loud, quiet])  # [2, 1, T]
    x[1, 0, 1000:] = 0.9  # padding that isn't even zero
    y, gain = normalize(x, torch.tensor([4000, 1000]))
    assert gain.shape == (2, 1, 1)
    assert rms(y[0]) == pytest.approx(TARGET_RMS, rel=1e-4)
    torch.testing.assert_close(gain[1], normalize(x[1, :, :1000])[1])


def test_non_finite_input_is_not_hidden() -> None:
    for bad in (float("nan"), float("inf")):
        x = noise(0.1)
        x[0, 3] = bad
        assert not normalize(x)[0].isfinite().all()
