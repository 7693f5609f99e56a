import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.codes import ABSENT, Codes
from codec.coding.packing import Fixed, Varying


def some(packing: Varying, frames: int, seed: int) -> Codes:
    """Codes [channels, stages, frames] with anything from none to all in each frame."""
    random = np.random.default_rng(seed)
    codes = random.integers(1 << packing.bits, size=(packing.channels, packing.stages, frames))
    counts = random.integers(packing.stages + 1, size=(packing.channels, 1, frames))
    return np.where(np.arange(packing.stages)[None, :, None] < counts, codes, ABSENT)


packings = st.builds(Varying, st.integers(1, 3), st.integers(1, 70), st.integers(1, 17))


@given(packings, st.integers(0, 60), st.integers(0, 1000))
def test_every_count_and_code_comes_back_and_takes_its_bits(packing: Varying, frames: int, seed: int) -> None:
    codes = some(packing, frames, seed)
    data = packing.pack(codes)
    counts, present = frames * packing.channels * packing.stages.bit_length(), int((codes != ABSENT).sum())
    assert len(data) == -(-counts // 8) - (-present * packing.bits // 8)
    file = io.BytesIO(data + b"behind")
    assert np.array_equal(packing.read(file, frames), codes)
    assert file.read() == b"behind"


def test_the_layout_is_the_documented_one() -> None:
    codes = np.full((2, 3, 2), ABSENT)  # 2 channels, 3 stages, 2 frames
    codes[0, :2, 0] = 1, 2
    codes[1, :3, 1] = 3, 4, 15
    data = Varying(2, 3, 4).pack(codes)
    # Counts of 2 bits: first frame 2 and 0, second frame 0 and 3. Then codes of 4 bits, a last half byte empty.
    assert data == bytes([0b10_00_00_11, 0x12, 0x34, 0xF0])
    assert Fixed(1, 2, 4).pack(np.array([[[1, 3], [2, 4]]])) == bytes([0x12, 0x34])


def test_nothing_but_counts_is_possible() -> None:
    packing = Varying(1, 63, 8)
    data = packing.pack(np.full((1, 63, 4), ABSENT))
    assert data == bytes(3)
    assert (packing.read(io.BytesIO(data), 4) == ABSENT).all()


@pytest.mark.parametrize("packing", [Fixed(2, 5, 7), Varying(2, 5, 7)])
def test_every_truncation_is_found(packing: Fixed | Varying) -> None:
    data = packing.pack(np.full((2, 5, 3), 99))
    for size in range(len(data)):
        with pytest.raises(EOFError):
            packing.read(io.BytesIO(data[:size]), 3)


def test_a_count_of_more_stages_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="more stages than there are"):
        Varying(1, 5, 8).read(io.BytesIO(b"\xff" * 100), 2)
