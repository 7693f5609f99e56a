from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from codec.audio import AudioError, find_audio, inspect, pack
from codec.audio.measure import ENVELOPE_BINS

WriteClip = Callable[..., Path]
TELUGU = Path(__file__).parents[4] / "examples" / "telugu" / "clips"


def likeness(a: Path, b: Path) -> float:
    return float(np.corrcoef(inspect(a, 16000).envelope, inspect(b, 16000).envelope)[0, 1])


@pytest.mark.parametrize(("rate", "name"), [(16000, "a.wav"), (44100, "a.flac"), (8000, "a.ogg")])
def test_length_and_hash_are_those_of_the_packed_clip(
    write_clip: WriteClip, tmp_path: Path, rate: int, name: str
) -> None:
    info = inspect(write_clip(name, 20.0, rate), 16000)  # several blocks
    (clip,) = pack(tmp_path / "data", tmp_path / "cache", 16000).clips
    assert (info.length, info.sha256) == (clip.length, clip.sha256)


def test_the_offset_is_the_mean(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.tile([0.3, -0.1], 4000), 16000, subtype="FLOAT")
    assert inspect(tmp_path / "a.wav").dc == pytest.approx(0.1)


def test_clipping_is_flat_tops_at_whatever_level(write_clip: WriteClip, tmp_path: Path) -> None:
    whole = write_clip("whole.wav", rms=0.2)
    assert inspect(whole).clipped == 0
    audio: npt.NDArray[np.float64] = np.clip(soundfile.read(whole)[0], -0.3, 0.3)
    soundfile.write(tmp_path / "clipped.wav", audio, 16000)
    top = np.abs(audio) >= 0.3
    assert inspect(tmp_path / "clipped.wav").clipped == pytest.approx(np.mean(top[:-2] & top[1:-1] & top[2:]), rel=0.01)


def test_a_pure_tone_and_silence_are_not_clipped(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)  # hits its peak exactly, twice a period
    soundfile.write(tmp_path / "tone.wav", tone, 16000)
    soundfile.write(tmp_path / "silence.wav", np.full(16000, 0.001), 16000)
    assert inspect(tmp_path / "tone.wav").clipped == 0
    assert inspect(tmp_path / "silence.wav").clipped == 0


def test_the_envelope_knows_a_recording_again(tmp_path: Path) -> None:
    first, other = (TELUGU / name for name in ("01-f1.flac", "15-f2.flac"))
    audio, rate = soundfile.read(first)
    soundfile.write(tmp_path / "quieter.wav", audio * 0.5, rate)
    soundfile.write(tmp_path / "lossy.ogg", audio, rate)
    assert likeness(first, tmp_path / "quieter.wav") > 0.99
    assert likeness(first, tmp_path / "lossy.ogg") > 0.99
    assert likeness(first, other) < 0.9


def test_different_sentences_are_told_apart() -> None:
    courses = np.array([inspect(path, 16000).envelope for path in find_audio(TELUGU)])
    likenesses = np.corrcoef(courses) - 2 * np.eye(len(courses))
    assert likenesses.max() < 0.97


def test_a_clip_too_short_for_an_envelope_has_none(write_clip: WriteClip) -> None:
    assert inspect(write_clip("a.wav", 0.3)).envelope == array("f")
    assert len(inspect(write_clip("b.wav", 0.7)).envelope) == ENVELOPE_BINS


def test_a_clip_that_resampling_leaves_nothing_of(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", [0.1], 48000)
    with pytest.raises(AudioError, match="shorter than one sample at 8000 Hz"):
        inspect(tmp_path / "a.wav", 8000)


def test_int16_files_are_measured_as_what_is_decoded_from_others(write_clip: WriteClip, tmp_path: Path) -> None:
    audio, _ = soundfile.read(write_clip("a.wav", 20.0, rms=0.2), dtype="int16")  # several blocks
    audio = np.clip(audio, -9000, 9000)
    soundfile.write(tmp_path / "own.flac", audio, 16000, subtype="PCM_16")
    soundfile.write(tmp_path / "wide.wav", audio / 32768, 16000, subtype="FLOAT")
    own, wide = inspect(tmp_path / "own.flac", 16000), inspect(tmp_path / "wide.wav", 16000)
    assert (own.sha256, own.length, own.clipped) == (wide.sha256, wide.length, wide.clipped)
    assert own.clipped > 0
    assert (own.rms, own.peak, own.dc) == pytest.approx((wide.rms, wide.peak, wide.dc), rel=1e-6)
    assert own.envelope == pytest.approx(wide.envelope, abs=1e-3)
