import math

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
import scipy.stats
import torch
from torch import Tensor

from codec.acoustics import metrics

Signal = npt.NDArray[np.float64]


def pair(seed: int = 0, samples: int = 4000) -> tuple[Signal, Signal]:
    random = np.random.default_rng(seed)
    x = scipy.signal.lfilter([1], [1, -0.9], random.standard_normal(samples))
    return x, 0.7 * x + 0.5 * random.standard_normal(samples) + 0.1


def tensors(*signals: Signal) -> list[Tensor]:
    return [torch.from_numpy(signal).float() for signal in signals]


@pytest.mark.parametrize("seed", range(3))
def test_against_numpy(seed: int) -> None:
    x, y = pair(seed)
    a, b = tensors(x, y)
    expected = {
        metrics.l1: np.mean(np.abs(x - y)),
        metrics.l1_ratio: np.mean(np.abs(x - y)) / np.mean(np.abs(x)),
        metrics.snr_db: 10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2)),
        metrics.amplitude: np.std(y) / np.std(x),
        metrics.correlation: np.corrcoef(x, y)[0, 1],
        metrics.dc_offset: np.mean(y) / np.std(x),
    }
    for function, value in expected.items():
        assert float(function(a, b)) == pytest.approx(value, rel=1e-5), function.__name__


@pytest.mark.parametrize("seed", range(3))
def test_against_torchmetrics(seed: int) -> None:
    """Which takes the decoded audio first."""
    audio = pytest.importorskip("torchmetrics.functional.audio", reason="pip install codecjob[dev]")
    x, y = (torch.from_numpy(signal) for signal in pair(seed))
    snr = audio.signal_noise_ratio(preds=y, target=x)
    si_sdr = audio.scale_invariant_signal_distortion_ratio(preds=y, target=x, zero_mean=True)
    assert float(metrics.snr_db(x, y)) == pytest.approx(float(snr), abs=1e-6)
    assert float(metrics.si_sdr_db(x, y)) == pytest.approx(float(si_sdr), abs=1e-6)
    # The order counts: the other way round it is another SNR.
    assert float(metrics.snr_db(y, x)) != pytest.approx(float(snr), abs=0.1)


def test_si_sdr_is_the_projections_power_over_the_rest() -> None:
    x, y = pair()
    x0, y0 = x - x.mean(), y - y.mean()
    target = (y0 @ x0) / (x0 @ x0) * x0
    expected = 10 * np.log10(np.sum(target**2) / np.sum((y0 - target) ** 2))
    assert float(metrics.si_sdr_db(*tensors(x, y))) == pytest.approx(expected, rel=1e-5)


def test_si_sdr_ignores_gain_sign_and_offset_where_snr_does_not() -> None:
    x, y = pair()
    plain = float(metrics.si_sdr_db(*tensors(x, y)))
    for changed in (3 * y, -y, y + 5):
        assert float(metrics.si_sdr_db(*tensors(x, changed))) == pytest.approx(plain, abs=1e-3)
        assert float(metrics.snr_db(*tensors(x, changed))) < 0


def test_half_the_level_is_six_db_and_half_the_amplitude() -> None:
    x, _ = pair()
    a, b = tensors(x, x / 2)
    assert float(metrics.snr_db(a, b)) == pytest.approx(6.02, abs=0.01)
    assert float(metrics.amplitude(a, b)) == pytest.approx(0.5)
    assert float(metrics.correlation(a, b)) == pytest.approx(1)
    assert float(metrics.si_sdr_db(a, b)) > 100


def test_an_offset_is_not_taken_for_sound() -> None:
    x, _ = pair()
    a, b = tensors(x, np.full_like(x, 0.3))
    assert float(metrics.amplitude(a, b)) == pytest.approx(0, abs=1e-9)
    assert float(metrics.correlation(a, b)) == 0
    assert float(metrics.dc_offset(a, b)) == pytest.approx(0.3 / np.std(x), rel=1e-5)
    assert int(metrics.lag(a, b)) == 0


def test_silence_scores_what_the_documentation_says() -> None:
    x, _ = pair()
    a, b = tensors(x, np.zeros_like(x))
    values = [metrics.l1_ratio, metrics.snr_db, metrics.amplitude, metrics.correlation, metrics.dc_offset]
    assert [float(function(a, b)) for function in values] == [1, 0, 0, 0, 0]
    assert float(metrics.si_sdr_db(a, b)) == metrics.SI_SDR_FLOOR_DB
    assert int(metrics.lag(a, b)) == 0


@pytest.mark.parametrize("shift", [-700, -3, 0, 1, 250])
@pytest.mark.parametrize("sign", [1, -1])
def test_lag_is_how_late_the_output_comes_whatever_its_sign(shift: int, sign: int) -> None:
    x, _ = pair()
    padded = np.pad(x, 1000)
    assert int(metrics.lag(*tensors(padded, sign * np.roll(padded, shift)))) == shift


def test_a_flipped_sign_shows_in_the_correlation() -> None:
    x, _ = pair()
    assert float(metrics.correlation(*tensors(x, -x))) == pytest.approx(-1)


def test_a_perfect_copy() -> None:
    a, b = tensors(pair()[0], pair()[0])
    assert float(metrics.snr_db(a, b)) == math.inf
    assert float(metrics.mel_distance(a, b, 16000)) == 0
    assert int(metrics.lag(a, b)) == 0


def test_nan_comes_out_as_nan() -> None:
    a, b = tensors(*pair())
    b[5] = math.nan
    for function in (metrics.l1, metrics.snr_db, metrics.si_sdr_db, metrics.amplitude, metrics.correlation):
        assert math.isnan(float(function(a, b))), function.__name__


def test_mel_distance_of_a_tenth_of_the_level_is_one_decade() -> None:
    x = np.random.default_rng(0).standard_normal(16000)
    assert float(metrics.mel_distance(*tensors(x, x / 10), 16000)) == pytest.approx(1, abs=1e-3)


def test_the_high_band_is_judged_alone() -> None:
    x = np.random.default_rng(0).standard_normal(16000)
    low = scipy.signal.sosfiltfilt(scipy.signal.butter(12, 3500, fs=16000, output="sos"), x).copy()
    whole, high = (float(metrics.mel_distance(*tensors(x, low), 16000, above)) for above in (0.0, 4000.0))
    assert high > 2 * whole > 0.5
    muffled = np.concatenate([x[:8000], low[8000:]])
    assert float(metrics.mel_distance(*tensors(x, muffled), 16000, 4000.0)) == pytest.approx(high / 2, rel=0.1)


def test_samples_at_the_limit_are_counted() -> None:
    assert float(metrics.clipped(torch.tensor([0.0, 1.0, -1.0, 0.99]))) == 0.5


def test_mel_distance_takes_clips_shorter_than_its_window() -> None:
    a, b = tensors(*pair(samples=100))
    assert 0 < float(metrics.mel_distance(a, b, 16000)) < math.inf


def test_batches_are_taken_row_by_row() -> None:
    rows = [tensors(*pair(seed)) for seed in range(3)]
    x, y = torch.stack([row[0] for row in rows]), torch.stack([row[1] for row in rows])
    for function in (metrics.snr_db, metrics.si_sdr_db, metrics.correlation, metrics.lag):
        torch.testing.assert_close(function(x, y), torch.stack([function(a, b) for a, b in rows]))


@pytest.mark.parametrize("seed", range(3))
def test_against_scipy(seed: int) -> None:
    x, y = pair(seed)
    assert float(metrics.correlation(*tensors(x, y))) == pytest.approx(scipy.stats.pearsonr(x, y).statistic, rel=1e-5)
    late = np.roll(y, 37 * seed)
    strength = np.abs(scipy.signal.correlate(late - late.mean(), x - x.mean()))
    lags = scipy.signal.correlation_lags(len(x), len(x))
    assert int(metrics.lag(*tensors(x, late))) == lags[strength.argmax()]
    assert float(metrics.mel_distance(*tensors(x, y), 16000)) == pytest.approx(mel_distance(x, y), rel=1e-3)


def mel_distance(x: Signal, y: Signal) -> float:
    """The definition in docs/architecture.md, by scipy and numpy."""
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82) / 2595) - 1)  # Hz, even in HTK's mel
    bins = np.linspace(0, 8000, 513)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    bands = np.maximum(np.minimum(rising, falling), 0)
    window = scipy.signal.get_window("hann", 1024)
    logs = []
    for signal in tensors(x, y):
        padded = np.pad(signal.double().numpy(), 512)
        frames = np.lib.stride_tricks.sliding_window_view(padded, 1024)[::256]
        spectrum = np.abs(np.fft.rfft(frames * window))
        logs.append(np.log10(np.maximum(spectrum @ bands.T, 1e-5)))
    return float(np.mean(np.abs(logs[0] - logs[1])))
