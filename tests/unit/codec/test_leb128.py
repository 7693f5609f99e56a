import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec import leb128


@given(st.integers(0, 2**63 - 1))
def test_a_number_comes_back_and_nothing_behind_it_is_read(value: int) -> None:
    file = io.BytesIO(leb128.to_bytes(value) + b"rest")
    assert leb128.read(file) == value
    assert file.read() == b"rest"


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80" * 4_000_000])
def test_a_number_without_an_end_is_none(data: bytes) -> None:
    file = io.BytesIO(data)
    assert leb128.read(file) is None
    assert file.tell() <= leb128.MOST_DIGITS
