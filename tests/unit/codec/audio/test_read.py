import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from codec.audio import AudioError, decode, inspect

WriteClip = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {}),
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.wav", {"format": "RF64"}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.ogg", {"subtype": "OPUS"}),
        ("a.mp3", {}),
    ],
)
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (48000, 2)])
def test_every_format_rate_and_channel_count_gives_the_same_speech(
    write_clip: WriteClip, name: str, options: dict[str, str], rate: int, channels: int
) -> None:
    path = write_clip(name, 1.0, rate, channels, **options)
    exact = decode(write_clip("exact.wav", 1.0, rate, 1, subtype="FLOAT"), 16000)
    audio = decode(path, 16000)
    assert audio.dtype == np.float32
    assert audio.shape == (16000,)
    assert np.corrcoef(audio, exact)[0, 1] > 0.99  # also says: no delay


def test_44100_hz_is_resampled_as_soxr_does_it_in_one_piece(write_clip: WriteClip) -> None:
    path = write_clip("long.wav", 15.0, 44100, subtype="FLOAT")  # several blocks
    whole = soxr.resample(soundfile.read(path, dtype="float32")[0], 44100, 16000)
    np.testing.assert_allclose(decode(path, 16000), whole, atol=1e-6)


def test_the_mix_is_the_mean_of_the_channels(tmp_path: Path) -> None:
    left, right = np.full(100, 0.5), np.full(100, -0.25)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    assert decode(tmp_path / "a.wav", 16000) == pytest.approx(0.125)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_a_truncated_file_is_refused_by_name(write_clip: WriteClip, name: str, share: float) -> None:
    path = write_clip(name, 3.0)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    for read in (lambda: decode(path, 16000), lambda: inspect(path)):
        with pytest.raises(AudioError, match=rf"{name}: .*; .*") as error:
            read()
        assert "\n" not in str(error.value)


def test_a_truncated_rf64_file_is_refused(write_clip: WriteClip) -> None:
    path = write_clip("a.wav", format="RF64")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AudioError, match="truncated"):
        decode(path, 16000)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_written_to_a_pipe_promises_no_length_and_is_read(write_clip: WriteClip, size: int) -> None:
    path = write_clip("piped.wav")
    content = path.read_bytes()
    at = content.index(b"data") + 4
    path.write_bytes(content[:at] + size.to_bytes(4, "little") + content[at + 4 :])
    assert len(decode(path, 16000)) == 16000


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("content", [b"these are words, not samples\n" * 40, b"RIFF", b"OggS", b""])
def test_what_is_no_audio_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match=f"{name}: is"):
        decode(tmp_path / name, 16000)


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    with pytest.raises(AudioError, match=r"none\.wav: holds no samples"):
        decode(tmp_path / "none.wav", 16000)


def test_one_sample_at_a_high_rate_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", np.ones(1), 192000)
    with pytest.raises(AudioError, match="shorter than one sample"):
        decode(tmp_path / "one.wav", 8000)


def test_a_broken_link_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    with pytest.raises(AudioError, match=r"gone\.wav: cannot be read \(No such file"):
        decode(tmp_path / "gone.wav", 16000)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_samples_are_refused_when_decoding_and_reported_when_inspecting(
    tmp_path: Path, value: float
) -> None:
    audio = np.full(1000, 0.5)
    audio[7] = value
    soundfile.write(tmp_path / "nan.wav", audio, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"nan\.wav: holds NaN or infinite"):
        decode(tmp_path / "nan.wav", 16000)
    info = inspect(tmp_path / "nan.wav")
    assert not info.finite
    assert info.peak == 0.5


def test_inspect_measures_the_file_at_its_own_rate(write_clip: WriteClip) -> None:
    info = inspect(write_clip("a.flac", 2.0, 44100, 2, rms=0.05))
    assert (info.sample_rate, info.channels, info.seconds, info.finite) == (44100, 2, 2.0, True)
    assert info.rms == pytest.approx(0.05, rel=1e-3)
    assert 0.05 < info.peak < 1


def test_ogg_stream_without_its_last_page_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).normal(0, 0.1, 80000), 16000, format="OGG")
    pages = buffer.getvalue()
    (tmp_path / "a.ogg").write_bytes(pages[: pages.rindex(b"OggS")])  # ends exactly between two pages
    with pytest.raises(AudioError, match="truncated"):
        decode(tmp_path / "a.ogg", 16000)
