"""The committed clips are what their data card says."""

from collections import Counter
from math import log10
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.audio import SILENCE_RMS, ClipInfo, find_audio, inspect

TELUGU = Path(__file__).parents[4] / "examples" / "telugu"


@pytest.fixture(scope="module")
def clips() -> list[ClipInfo]:
    return [inspect(path) for path in find_audio(TELUGU / "clips")]


def test_one_clip_for_each_sentence_in_12_voices(clips: list[ClipInfo]) -> None:
    sentences = (TELUGU / "sentences.txt").read_text(encoding="utf-8").splitlines()
    assert len(set(sentences)) == len(sentences) == len(clips) == 72
    assert [int(clip.path.stem[:2]) for clip in clips] == list(range(1, 73))
    assert Counter(Counter(clip.path.stem[3:] for clip in clips).values()) == {6: 12}


def test_format_duration_and_size(clips: list[ClipInfo]) -> None:
    assert {(clip.path.suffix, clip.sample_rate, clip.channels) for clip in clips} == {(".flac", 16000, 1)}
    assert sum(clip.seconds for clip in clips) == pytest.approx(4.5 * 60, abs=1)
    assert min(clip.seconds for clip in clips) > 2
    assert max(clip.seconds for clip in clips) < 6
    assert sum(clip.path.stat().st_size for clip in clips) < 5_000_000


def test_levels(clips: list[ClipInfo]) -> None:
    levels = {int(clip.path.stem[:2]): round(20 * log10(clip.rms)) for clip in clips}
    assert {number for number, level in levels.items() if level == -38} == {8, 17, 30, 43, 59, 72}
    assert {number for number, level in levels.items() if level == -12} == {5, 14, 28, 37, 46, 57}
    assert sum(-26 <= level <= -21 for level in levels.values()) == 58
    assert levels[35] == -8
    assert levels[47] == -56


def test_one_clip_is_nearly_silent_and_one_clipped(clips: list[ClipInfo]) -> None:
    assert [int(clip.path.stem[:2]) for clip in clips if clip.rms < SILENCE_RMS] == [47]
    assert [int(clip.path.stem[:2]) for clip in clips if clip.peak > 0.9999] == [35]
    pcm = soundfile.read(TELUGU / "clips" / "35-m7.flac", dtype="int16")[0].astype(int)
    assert np.mean(np.abs(pcm) >= 32767) == pytest.approx(0.06, abs=0.01)
