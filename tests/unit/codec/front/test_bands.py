import numpy as np
import pytest

from codec.front import bands


@pytest.mark.parametrize("hop", [128, 320])
def test_bands_cover_all_bins_in_order(hop: int) -> None:
    edges = bands.band_edges(hop)
    assert (len(edges), edges[0], edges[-1]) == (bands.BANDS + 1, 0, hop)
    assert np.all(np.diff(edges) >= 1)
    assert np.bincount(bands.band_of_bin(hop)).tolist() == np.diff(edges).tolist()


def test_a_level_is_the_rms_in_steps_of_4_db() -> None:
    levels = bands.levels_of(np.full((4, 320), 0.25, np.float32), 2)
    assert levels.tolist() == [[-3] * bands.BANDS] * 2  # 0.25 is 2 octaves down, 1.5 levels each
    assert (bands.amplitudes(levels, 320) == -32).all()  # of 16 an octave
    quiet, loud = (bands.levels_of(np.full((1, 320), value, np.float32), 1) for value in (0.0, 1e9))
    assert (quiet == bands.LEAST_LEVEL).all()
    assert (loud == bands.MOST_LEVEL).all()


def test_the_envelope_between_two_bands_lies_between_them() -> None:
    levels = np.arange(bands.BANDS)
    amplitude = bands.amplitudes(levels, 320)
    assert np.all(np.diff(amplitude) >= 0)
    assert (amplitude[0], amplitude[-1]) == (0, round((bands.BANDS - 1) * 32 / 3))


def test_the_step_follows_the_envelope_by_its_share() -> None:
    amplitude = np.array([-64, 0, 64])
    assert bands.exponents(amplitude, 5, 0).tolist() == [5, 5, 5]
    assert bands.exponents(amplitude, 5, 16).tolist() == [-27, 5, 37]
    assert bands.exponents(amplitude, 5, 32).tolist() == [-59, 5, 69]
