"""Rate control and streaming on one channel."""

from collections.abc import Sequence

import numpy as np
import pytest

from codec.front import bands, channel, fronts
from codec.front.rate_control import RateControl
from front_audio import decoded, encoded, voice_like

NAMES = list(fronts.FRONTS)


@pytest.mark.parametrize(("name", "kbps"), [("long", 8.0), ("short", 16.0), ("short", 32.0), ("long", 48.0)])
def test_a_stream_keeps_to_its_rate(name: str, kbps: float) -> None:
    audio = voice_like(12.0)
    blocks = encoded(audio, name, kbps)
    assert sum(map(len, blocks)) * 8 / 12.0 / 1000 == pytest.approx(kbps, rel=0.08)
    debt = np.cumsum([8 * len(data) for data in blocks]) / (1000 * kbps) - 1.28 * np.arange(1, len(blocks) + 1)
    assert debt.max() < 2.0  # seconds ahead of the rate at any time


@pytest.mark.parametrize("name", NAMES)
def test_the_step_is_chosen_without_looking_ahead(name: str) -> None:
    levels = np.random.default_rng(0).integers(-18, 5, (40, bands.BANDS))
    changed = levels.copy()
    changed[20:] += 10
    plans = [RateControl(fronts.coder_of(name).forecast, 16_000).plan(of) for of in (levels, changed)]
    assert np.array_equal(plans[0][:20], plans[1][:20])
    assert not np.array_equal(plans[0][20:], plans[1][20:])


def test_the_delay_is_at_most_60_ms() -> None:
    delays = {name: channel.delay_seconds(front.settings) for name, front in fronts.FRONTS.items()}
    assert delays == {"long": 0.04, "short": 0.024, "vector": 0.04}


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_any_size_give_the_same_stream(name: str) -> None:
    audio = voice_like(3.0)
    whole = encoded(audio, name, 16.0)
    for size in (1000, 20_480, 33_333):
        pieces = [audio[first : first + size] for first in range(0, len(audio), size)]
        assert encoded(pieces, name, 16.0) == whole


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [1, 127, 160, 320, 20_479, 20_480, 20_481, 20_800, 40_960])
def test_every_length_comes_back(name: str, length: int) -> None:
    audio = voice_like(3.0)[:length]
    blocks = encoded(audio, name, 64.0)
    assert len(blocks) == -(-channel.groups_of(length, fronts.FRONTS[name].settings) // channel.GROUPS)
    assert len(decoded(blocks, name, length)) == length


@pytest.mark.parametrize("name", NAMES)
def test_more_bits_are_more_snr(name: str) -> None:
    audio = voice_like(4.0)
    found = [snr(audio, decoded(encoded(audio, name, kbps), name, len(audio), fill=0.0)) for kbps in (8, 16, 32, 64)]
    assert np.all(np.diff(found) > 3), found
    assert found[0] > 8


@pytest.mark.parametrize("name", NAMES)
def test_silence_noise_and_clicks_do_not_break_it(name: str) -> None:
    random = np.random.default_rng(0)
    click = np.zeros(16_000, np.float32)
    click[8000] = 1.0
    for audio in (np.zeros(16_000), random.uniform(-1, 1, 16_000), np.sign(random.normal(size=16_000)), click):
        back = decoded(encoded(audio.astype(np.float32), name, 16.0), name, 16_000)
        assert np.isfinite(back).all()
        assert np.sqrt(np.mean(back**2)) <= 1.5 * np.sqrt(np.mean(audio**2)) + 1e-3


def snr(original: Sequence[float], back: Sequence[float]) -> float:
    x, y = np.asarray(original), np.asarray(back)
    return float(10 * np.log10((x**2).sum() / ((x - y) ** 2).sum()))
