import numpy as np
import pytest

from codec.front import powers


@pytest.mark.parametrize("sixteenth", range(16))
def test_the_table_is_exactly_rounded(sixteenth: int) -> None:
    # In integers: v is 2^(16 + i/16) to the nearest where (2v - 1)^16 < 2^16 x 2^(256 + i) < (2v + 1)^16.
    value = powers.scaled(sixteenth, 16)
    assert (2 * value - 1) ** 16 < 1 << (272 + sixteenth) < (2 * value + 1) ** 16


def test_all_forms_agree_and_octaves_double() -> None:
    steps = np.arange(powers.LEAST, powers.MOST + 1)
    assert np.allclose(powers.real(steps), 2.0 ** (steps / 16), rtol=1e-5)
    exact = 2.0 ** (steps / 16 + powers.FRACTION)
    assert np.all(np.abs(powers.fixed(steps) - exact) <= 0.5 + 1e-5 * exact)
    assert np.array_equal(powers.fixed(np.array([-9999, 9999])), powers.fixed(np.array([powers.LEAST, powers.MOST])))
    assert np.array_equal(powers.real(steps[16:]), 2 * powers.real(steps[:-16]))
