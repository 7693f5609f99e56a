from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.audio import AudioError, decode
from codec.audio.mp3 import count_samples, has_length_tag

WriteClip = Callable[..., Path]


def drop_first_frame(path: Path) -> None:
    """The first frame is the tag; the second starts with the same two bytes."""
    content = path.read_bytes()
    path.write_bytes(content[content.index(content[:2], 36) :])


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])  # MPEG 2.5, 2, 2, 1, 1
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("channels", [1, 2])
def test_counts_the_samples_of_every_mpeg_version(write_clip: WriteClip, rate: int, mode: str, channels: int) -> None:
    path = write_clip("a.mp3", 2.0, rate, channels, bitrate_mode=mode, compression_level=0.5)
    assert has_length_tag(path)
    assert count_samples(path) == pytest.approx(2 * rate, abs=4 * 1152)
    tagged = count_samples(path)
    drop_first_frame(path)
    assert not has_length_tag(path)
    assert count_samples(path) == tagged - (1152 if rate > 24000 else 576)


def test_a_tag_in_front_with_cover_art_is_skipped(write_clip: WriteClip) -> None:
    path = write_clip("a.mp3", 2.0)
    samples = count_samples(path)
    art = b"ID3\x04\x00\x00" + bytes([0, 0, 1, 5]) + bytes(133)
    path.write_bytes(art + path.read_bytes())
    assert count_samples(path) == samples
    assert len(decode(path, 16000)) == 32000
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(AudioError, match="truncated"):
        decode(path, 16000)


def test_a_constant_bit_rate_needs_no_tag(write_clip: WriteClip) -> None:
    path = write_clip("a.mp3", 2.0, bitrate_mode="CONSTANT", compression_level=0.5)
    drop_first_frame(path)
    assert len(decode(path, 16000)) == pytest.approx(32000, abs=4 * 576)


def test_a_variable_bit_rate_without_a_tag_is_refused_where_its_end_would_be_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    noise = np.random.default_rng(0).normal(0, 0.2, 44100 * 4)
    noise[44100:] *= 1e-3  # the loud start makes every frame look long, so the file looks short
    soundfile.write(path, noise, 44100, bitrate_mode="VARIABLE", compression_level=0.5)
    drop_first_frame(path)
    with pytest.raises(AudioError, match=r"a\.mp3: has a variable bit rate but no length tag; convert"):
        decode(path, 16000)
