"""A folder of clips, a store, and a cache of one's own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000
WriteClip = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's scans are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "codecjob"


@pytest.fixture
def write_tone() -> WriteClip:
    """write_tone(path, pitch, level, seconds, rate) -> the path."""

    def write(path: Path, pitch: float = 220.0, level: float = 0.3, seconds: float = 0.5, rate: int = RATE) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = level * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)
        soundfile.write(path, tone.astype(np.float32), rate)
        return path

    return write


@pytest.fixture
def clips(tmp_path: Path, write_tone: WriteClip) -> Path:
    """Two clips, one with a Telugu name, and a file that is none."""
    folder = tmp_path / "clips"
    write_tone(folder / "a.wav", 200)
    write_tone(folder / "తెలుగు" / "b.flac", 300, seconds=1.0, rate=44100)
    (folder / "notes.txt").write_text("not audio")
    return folder
