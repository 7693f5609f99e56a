"""The container: what is written is read, and whatever else is there ends in one UserError."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec.errors import UserError
from codec.front.stream import MAGIC, VERSION, Header, Writer, read_blocks, read_header, version_of

HEADER = Header(b"\1\2\3\4", 1, 6, 2, 44_100, 123_456_789_012, 160, (-3, 12))
BLOCKS = [b"", b"a", b"bc" * 300]


def written(path: Path, header: Header = HEADER, blocks: list[bytes] = BLOCKS) -> bytes:
    with path.open("wb") as file:
        writer = Writer(file, header)
        for block in blocks:
            writer.add(block)
    assert writer.size == path.stat().st_size
    return path.read_bytes()


def read(path: Path, count: int = len(BLOCKS), salvage: bool = False) -> tuple[Header, list[bytes | None]]:
    with path.open("rb") as file:
        header = read_header(path, file)
        return header, list(read_blocks(path, file, count, salvage))


def test_a_stream_comes_back(tmp_path: Path) -> None:
    data = written(tmp_path / "a")
    assert data[:4] == MAGIC + bytes([VERSION])
    assert read(tmp_path / "a") == (HEADER, BLOCKS)
    assert version_of(tmp_path / "a") == VERSION


def test_the_layout_is_the_documented_one(tmp_path: Path) -> None:
    data = written(tmp_path / "a", Header(b"\1\2\3\4", 1, 6, 1, 16_000, 80, 160, (-3,)), [b"xyz"])
    assert data[:12] == b"\x8bCJ\x03\1\2\3\4\1\6\1\1"
    assert data[12:18] == b"\x80\x7d\x50\xa0\x01\xfd"  # 16000, 80 and 160 as LEB128, the gain
    assert data[22:] == b"\3" + data[23:26] + b"xyz"  # behind the header's check sum


def test_another_file_is_no_stream(tmp_path: Path) -> None:
    for data in (b"", b"RIFF", b"\x8bC", b"\x8bCJ"):
        (tmp_path / "a").write_bytes(data)
        assert version_of(tmp_path / "a") is None
        with pytest.raises(UserError, match="is no stream of codec encode"):
            read(tmp_path / "a")
    with pytest.raises(UserError, match=r"a/b: cannot be read \(Not a directory\)"):
        version_of(tmp_path / "a" / "b")


def test_every_cut_is_found(tmp_path: Path) -> None:
    data = written(tmp_path / "a")
    for size in range(4, len(data)):
        (tmp_path / "a").write_bytes(data[:size])
        with pytest.raises(UserError, match=r"its header is damaged|is truncated or damaged at block"):
            read(tmp_path / "a")


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    data = written(tmp_path / "a", blocks=[b"", b"a", b"bc" * 10])
    for index in range(4, len(data)):
        (tmp_path / "a").write_bytes(data[:index] + bytes([data[index] ^ 0x41]) + data[index + 1 :])
        with pytest.raises(UserError):
            read(tmp_path / "a")


def test_lost_moved_and_added_blocks_are_found(tmp_path: Path) -> None:
    start = header_of(tmp_path)
    body = written(tmp_path / "a")[len(start) :]
    empty, one, rest = body[:4], body[4:9], body[9:]  # a size, three bytes of check sum, the block
    for parts in (one + rest, one + empty + rest, empty + rest, empty + empty + one + rest):
        (tmp_path / "a").write_bytes(start + parts)
        with pytest.raises(UserError, match="is truncated or damaged at block"):
            read(tmp_path / "a")
    (tmp_path / "a").write_bytes(start + body + b"\0")
    with pytest.raises(UserError, match="goes on behind its end"):
        read(tmp_path / "a")


def header_of(folder: Path) -> bytes:
    return written(folder / "header", blocks=[])


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": 0},
        {"length": 1 << 60},
        {"rate": 0},
        {"rate": 1_000_000_000},
        {"tenths": 1 << 40},
        {"channels": 0},
        {"channels": 3},
        {"gains": ()},
        {"fill": 17},
    ],
)
def test_a_header_that_no_encoder_writes_is_refused_though_its_check_sum_is_right(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    written(tmp_path / "a", Header(**(HEADER.__dict__ | wrong)))
    with pytest.raises(UserError, match="its header is none that codec encode has written"):
        read(tmp_path / "a")


def test_a_size_beyond_all_blocks_reads_no_memory(tmp_path: Path) -> None:
    written(tmp_path / "a", blocks=[])
    with (tmp_path / "a").open("ab") as file:
        file.write(b"\xff\xff\xff\xff\x7f" + bytes(100))
    with pytest.raises(UserError, match="at block 1 of 3"):
        read(tmp_path / "a")


def test_what_is_whole_is_salvaged(tmp_path: Path) -> None:
    data = written(tmp_path / "a")
    at = data.index(b"a", len(header_of(tmp_path)))
    (tmp_path / "a").write_bytes(data[:at] + b"b" + data[at + 1 :])
    assert read(tmp_path / "a", salvage=True)[1] == [BLOCKS[0], None, BLOCKS[2]]
    (tmp_path / "a").write_bytes(data[:-1])
    assert read(tmp_path / "a", salvage=True)[1] == [*BLOCKS[:2], None]
    (tmp_path / "a").write_bytes(data[: at + 1])
    assert read(tmp_path / "a", salvage=True)[1] == BLOCKS[:2]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_end_in_one_error(tmp_path: Path, data: bytes, salvage: bool) -> None:
    (tmp_path / "a").write_bytes(header_of(tmp_path) + data)
    try:
        read(tmp_path / "a", 5, salvage)
    except UserError as error:
        assert "\n" not in str(error)
