import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.codes import ABSENT, BLOCK_FRAMES, MOST_STAGES
from codec.coding.container import ID_BYTES, Header, Writer, read_codes, read_header
from codec.coding.packing import Fixed, Varying
from codec.errors import UserError

ID = bytes(range(ID_BYTES))


def stream(path: Path, codes: np.ndarray, header: Header, bits: int) -> bytes:
    with path.open("wb") as file:
        writer = Writer(file, header, Fixed(len(header.gains), header.stages, bits))
        for first in range(0, codes.shape[-1], 16):
            writer.add(codes[..., first : first + 16])
        writer.finish()
    data = path.read_bytes()
    assert writer.size == len(data)
    return data


def some(frames: int = 100, channels: int = 1, stages: int = 8, bits: int = 10) -> tuple[np.ndarray, Header]:
    codes = np.random.default_rng(0).integers(1 << bits, size=(channels, stages, frames))
    return codes, Header(ID, channels, stages, 16000, frames * 80, (0.5,) * channels)


@given(st.integers(1, 3), st.integers(1, 20), st.integers(1, 17), st.integers(1, 60))
def test_every_code_comes_back_whatever_its_bits(channels: int, stages: int, bits: int, frames: int) -> None:
    codes = np.random.default_rng(bits).integers(1 << bits, size=(channels, stages, frames))
    packing = Fixed(channels, stages, bits)
    data = packing.pack(codes)
    assert len(data) == packing.size(frames) == -(-frames * channels * stages * bits // 8)
    assert np.array_equal(packing.read(io.BytesIO(data), frames), codes)


def test_a_stream_written_in_blocks_is_read_in_others(tmp_path: Path) -> None:
    codes, header = some(frames=BLOCK_FRAMES + 100, channels=2, bits=9)
    header = Header(ID, 2, 8, 44100, 123_456_789_012, (0.25, 17.5))
    stream(tmp_path / "a", codes, header, 9)
    with (tmp_path / "a").open("rb") as file:
        assert read_header(tmp_path / "a", file) == header
        blocks = list(read_codes(tmp_path / "a", file, Fixed(2, 8, 9), BLOCK_FRAMES + 100))
    assert [block.shape[-1] for block in blocks] == [BLOCK_FRAMES, 100]
    assert np.array_equal(np.concatenate(blocks, axis=-1), codes)


def test_the_layout_is_the_documented_one(tmp_path: Path) -> None:
    codes = np.array([[[1], [2]]])
    data = stream(tmp_path / "a", codes, Header(ID, 2, 2, 16000, 80, (1.0,)), 4)
    assert data[:3] == b"\x8bCJ"
    assert data[3] == 1
    assert data[4:12] == ID
    assert list(data[12:15]) == [2, 1, 2]  # channels, coded channels, stages
    assert list(data[15:18]) == [0x80, 0x7D, 80]  # 16000 and 80 as LEB128
    assert data[18:22] == b"\x00\x00\x80?"  # 1.0
    assert data[22] == 0x12  # the two codes
    assert len(data) == 23 + 4


def test_the_header_takes_less_than_two_percent_of_some_seconds(tmp_path: Path) -> None:
    """At the lowest bitrate of the presets, 2 kbit/s: 50 frames a second, 4 codes of 10 bits."""
    codes, _ = some(frames=50 * 6, stages=4)
    data = stream(tmp_path / "a", codes, Header(ID, 1, 4, 16000, 6 * 16000, (1.0,)), 10)
    assert len(data) * 8 / 6 == pytest.approx(2000, rel=0.02)


@given(position=st.integers(0, 1000), flip=st.integers(1, 255))
def test_a_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, position: int, flip: int) -> None:
    path = tmp_path_factory.getbasetemp() / "changed"
    data = bytearray(stream(path, *some(), 10))
    data[position % len(data)] ^= flip
    path.write_bytes(data)
    with path.open("rb") as file, pytest.raises(UserError, match=r"changed: is (no stream|a stream of version|trunc)"):
        read_header(path, file)


def test_every_truncation_and_addition_is_found(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    data = stream(path, *some(frames=20), 10)
    for changed in [data[:size] for size in range(len(data))] + [data + b"\0", data + data]:
        path.write_bytes(changed)
        with path.open("rb") as file, pytest.raises(UserError, match=r"cut: is (an empty|no stream|truncated)"):
            read_header(path, file)


def test_other_frames_than_the_header_announces_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    stream(path, *some(), 10)
    with path.open("rb") as file:
        read_header(path, file)
        with pytest.raises(UserError, match="does not hold the 99 frames"):
            list(read_codes(path, file, Fixed(1, 8, 10), 99))


def test_a_text_is_no_stream(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no stream of codec encode"):
        read_header(tmp_path / "a", io.BytesIO(b"RIFF and so on"))


def differing(frames: int) -> tuple[np.ndarray, Header, Varying]:
    random = np.random.default_rng(0)
    counts = random.integers(6, size=(2, 1, frames))
    codes = np.where(np.arange(5)[None, :, None] < counts, random.integers(128, size=(2, 5, frames)), ABSENT)
    return codes, Header(ID, 2, 3, 44100, 123_456, (0.25, 17.5), varying=True), Varying(2, 5, 7)


def write(path: Path, header: Header, packing: Varying, blocks: list[np.ndarray], behind: bytes = b"") -> None:
    with path.open("wb") as file:
        writer = Writer(file, header, packing)
        for block in blocks:
            writer.add(block)
        writer._write(behind)  # whoever forges a stream can make a check sum
        writer.finish()


def read(path: Path, packing: Varying, frames: int) -> tuple[Header, list[np.ndarray]]:
    with path.open("rb") as file:
        return read_header(path, file), list(read_codes(path, file, packing, frames))


def test_frames_that_differ_come_back_block_by_block(tmp_path: Path) -> None:
    codes, header, packing = differing(BLOCK_FRAMES + 100)
    blocks = [codes[..., :BLOCK_FRAMES], codes[..., BLOCK_FRAMES:]]
    write(tmp_path / "a", header, packing, blocks)
    read_back, parts = read(tmp_path / "a", packing, BLOCK_FRAMES + 100)
    assert read_back == header
    assert [part.shape[-1] for part in parts] == [BLOCK_FRAMES, 100]
    assert np.array_equal(np.concatenate(parts, axis=-1), codes)


def test_the_layout_of_version_2_is_the_documented_one(tmp_path: Path) -> None:
    codes = np.array([[[1, 9], [2, ABSENT], [ABSENT, ABSENT]]])
    write(tmp_path / "a", Header(ID, 1, 2, 16000, 160, (1.0,), varying=True), Varying(1, 3, 4), [codes])
    data = (tmp_path / "a").read_bytes()
    assert data[:4] == b"\x8bCJ\x02"
    assert list(data[12:15]) == [1, 1, 2]  # the mean of stages
    assert list(data[15:19]) == [0x80, 0x7D, 0xA0, 0x01]  # 16000 and 160 as LEB128
    assert data[19:23] == b"\x00\x00\x80?"
    assert list(data[23:26]) == [0b10_01_0000, 0x12, 0x90]  # counts 2 and 1, then the codes
    assert len(data) == 26 + 4


@pytest.mark.parametrize(
    ("announced", "cut", "behind"),
    [(101, None, b""), (100, 90, b""), (50, None, b""), (100, None, b"\0"), (100, 0, b"\xff" * 9000)],
    ids=["more", "fewer", "half", "longer", "counts"],
)
def test_what_does_not_hold_the_frames_that_differ_is_one_line(
    tmp_path: Path, announced: int, cut: int | None, behind: bytes
) -> None:
    """With a right check sum: nothing but a forgery, but no crash."""
    codes, header, packing = differing(100)
    write(tmp_path / "a", header, packing, [codes[..., :cut]], behind)
    with pytest.raises(UserError, match=f"a: does not hold the {announced} frames that its header announces"):
        read(tmp_path / "a", packing, announced)


def test_every_truncation_of_frames_that_differ_is_found(tmp_path: Path) -> None:
    codes, header, packing = differing(20)
    write(tmp_path / "a", header, packing, [codes])
    data = (tmp_path / "a").read_bytes()
    for size in range(1, len(data)):
        (tmp_path / "a").write_bytes(data[:size])
        with pytest.raises(UserError, match=r"a: is (no stream|truncated)"):
            read(tmp_path / "a", packing, 20)


def test_a_stream_of_a_later_version_says_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x8bCJ\x03 and so on")
    with pytest.raises(UserError, match="is a stream of version 3, this codecjob reads 1 and 2; update it"):
        read(tmp_path / "a", Varying(1, 1, 1), 1)


def test_the_most_stages_that_a_model_may_have_fit_into_a_stream(tmp_path: Path) -> None:
    header = Header(bytes(ID_BYTES), 1, MOST_STAGES, 16000, 640, (1.0,))
    codes = np.ones((1, MOST_STAGES, 2), np.int64)
    with (tmp_path / "most.cjc").open("wb") as file:
        writer = Writer(file, header, Fixed(1, MOST_STAGES, 1))
        writer.add(codes)
        writer.finish()
    with (tmp_path / "most.cjc").open("rb") as file:
        assert read_header(tmp_path, file).stages == MOST_STAGES


@pytest.mark.parametrize(
    "numbers", [b"\x80" * 4_000_000, b"\x80\x7d\x00", b"\x00\x50"], ids=["no end", "length 0", "rate 0"]
)
def test_forged_numbers_with_a_right_check_sum_are_one_line(tmp_path: Path, numbers: bytes) -> None:
    whole = stream(tmp_path / "a", *some(), 10)
    forged = whole[:15] + numbers + whole[18:-4]
    (tmp_path / "a").write_bytes(forged + struct.pack("<I", zlib.crc32(forged)))
    with (tmp_path / "a").open("rb") as file, pytest.raises(UserError, match="none that codec encode has written"):
        read_header(tmp_path / "a", file)
