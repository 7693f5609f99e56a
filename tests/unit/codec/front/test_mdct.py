import numpy as np
import pytest

from codec.front import mdct


@pytest.mark.parametrize("hop", [128, 320])
def test_pieces_come_back_and_energy_is_kept(hop: int) -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, 20 * hop).astype(np.float32)
    padded = np.concatenate([np.zeros(hop, np.float32), audio, np.zeros(hop, np.float32)])
    coefficients = mdct.forward(padded, hop)
    assert coefficients.shape == (mdct.frames_of(len(audio), hop), hop)
    assert np.isclose(np.square(coefficients).sum(), np.square(audio).sum(), rtol=1e-4)
    inverse = mdct.Inverse(hop)
    pieces = [inverse.feed(part) for part in (coefficients[:1], coefficients[1:8], coefficients[8:])]
    assert np.allclose(np.concatenate(pieces)[hop:], audio, atol=1e-5)


def test_frames_cover_every_length() -> None:
    assert [mdct.frames_of(length, 128) for length in (1, 127, 128, 129)] == [2, 2, 2, 3]
