"""Pictures of sound."""

import io

import numpy as np
import pytest
from PIL import Image

from job.report import png
from job.report.spectrogram import LEVELS, levels_db, picture

RATE = 16000


def sine(hertz: float, level: float = 1.0, rate: int = RATE) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)).astype(np.float32)


@pytest.mark.parametrize("hertz", [500.0, 2000.0, 7000.0])
def test_a_sine_lies_at_its_frequency_and_at_its_level(hertz: float) -> None:
    levels = levels_db(sine(hertz, 0.1), RATE)[:, 50:-50]
    strongest = levels.mean(axis=1).argmax()
    assert strongest == pytest.approx(hertz / (RATE / 2) * len(levels), abs=1)
    assert levels[strongest].max() == pytest.approx(-20, abs=0.5)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_picture_has_a_sensible_size(rate: int) -> None:
    rows, columns = levels_db(sine(500, rate=rate), rate).shape
    assert 60 <= rows <= 128
    assert columns == 400


def test_silence_noise_that_is_not_finite_and_a_single_sample_have_pictures() -> None:
    for samples in (np.zeros(RATE), np.full(RATE, np.nan), np.ones(1)):
        levels = levels_db(samples.astype(np.float32), RATE)
        assert np.isfinite(levels).all()
        assert picture(levels, 0.0).startswith(png.SIGNATURE)


def test_another_reader_sees_the_same_pixels_high_frequencies_above() -> None:
    image = Image.open(io.BytesIO(picture(levels_db(sine(7500), RATE), 0.0)))
    assert image.size == (400, 128)
    pixels = np.asarray(image)
    assert pixels.max() <= LEVELS - 1
    assert pixels[:20].mean() > 2 * pixels[-20:].mean()
    assert np.asarray(image.convert("RGB")).shape == (128, 400, 3)
