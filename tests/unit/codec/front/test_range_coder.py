import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.front.range_coder import GAMMA_DIGITS, Damaged, Model, Reader, Writer

ROWS = np.random.default_rng(0).dirichlet(np.ones(25), 50).astype(np.float32)
MODEL = Model(ROWS[0])


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_everything_comes_back_in_its_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    symbols, sizes = random.integers(25, size=50), random.integers(2, 1 << 17, 20)
    numbers, bits = random.integers(0, sizes), random.integers(2, size=30).astype(bool)
    gammas = random.integers(1, 1 << random.integers(1, GAMMA_DIGITS), 3)
    writer = Writer()
    writer.number(7, 300)
    writer.rows(symbols, ROWS)
    writer.gammas(gammas)
    writer.numbers(numbers, sizes)
    writer.one(int(symbols[0]), MODEL)
    writer.bits(bits)
    reader = Reader(writer.bytes())
    assert reader.number(300) == 7
    assert reader.rows(ROWS).tolist() == symbols.tolist()
    assert [reader.gamma() for _ in gammas] == gammas.tolist()
    assert reader.numbers(sizes).tolist() == numbers.tolist()
    assert reader.one(MODEL) == symbols[0]
    assert reader.bits(30).tolist() == bits.tolist()


def test_empty_arrays_cost_nothing() -> None:
    writer = Writer()
    nothing = np.zeros(0, np.int64)
    writer.rows(nothing, ROWS[:0])
    writer.numbers(nothing, nothing)
    writer.bits(nothing.astype(bool))
    assert writer.bytes() == b""
    assert len(Reader(b"").bits(0)) == len(Reader(b"").numbers(nothing)) == 0


def test_a_number_without_end_is_damage() -> None:
    writer = Writer()
    writer.bits(np.ones(100, bool))
    with pytest.raises(Damaged, match="without end"):
        Reader(writer.bytes()).gamma()


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_forged_bytes_give_symbols_of_the_alphabet_or_damage(data: bytes) -> None:
    reader = Reader(data)
    try:
        for _ in range(20):
            assert reader.rows(ROWS).max() < 25
            assert reader.gamma() < 1 << GAMMA_DIGITS + 1
    except Damaged:
        pass
