import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.audio import AudioError, inspect
from job import dataset

RATE = 16000
WriteClip = Callable[..., Path]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of this very moment count as files of long ago."""
    monkeypatch.setattr("job.dataset.scan_cache.SETTLED_NS", 0)


def looked_at(folder: Path) -> list[tuple[int, int]]:
    """How far a look was at each call."""
    calls: list[tuple[int, int]] = []
    dataset.look_at(folder, RATE, lambda done, total: calls.append((done, total)))
    return calls


def test_a_folder_is_looked_at_whole(clips: Path) -> None:
    data = dataset.look_at(clips, RATE)
    assert [data.name(clip) for clip in data.clips] == ["a.wav", "తెలుగు/b.flac"]
    assert data.seconds == pytest.approx(1.5)
    assert data.size == 2 * (8000 + 16000)
    assert list(data.clips) == [inspect(clip.path, RATE) for clip in data.clips]


def test_lengths_are_those_at_the_rate(clips: Path) -> None:
    assert [clip.length for clip in dataset.look_at(clips, 8000).clips] == [4000, 8000]


@pytest.mark.usefixtures("settled")
def test_what_is_unchanged_is_not_read_again_and_what_changed_is(clips: Path, write_tone: WriteClip) -> None:
    assert looked_at(clips) == [(0, 2), (1, 2), (2, 2)]
    first = dataset.look_at(clips, RATE)
    assert looked_at(clips) == [(2, 2)]
    times = (clips / "a.wav").stat()
    write_tone(clips / "a.wav", 201)  # of the same size
    os.utime(clips / "a.wav", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert looked_at(clips) == [(1, 2), (2, 2)]
    assert dataset.look_at(clips, RATE).dataset_id != first.dataset_id


@pytest.mark.usefixtures("settled")
def test_what_is_remembered_is_what_was_measured(clips: Path) -> None:
    assert dataset.look_at(clips, RATE) == dataset.look_at(clips, RATE)
    assert looked_at(clips) == [(2, 2)]


@pytest.mark.usefixtures("settled")
def test_the_cache_may_be_deleted_or_damaged(clips: Path, cache: Path) -> None:
    first = dataset.look_at(clips, RATE)
    (cache / "scan.sqlite").write_bytes(b"no database" * 1000)
    assert dataset.look_at(clips, RATE) == first
    shutil.rmtree(cache)
    assert dataset.look_at(clips, RATE) == first


def test_a_file_of_this_very_moment_is_not_remembered(clips: Path) -> None:
    looked_at(clips)
    assert looked_at(clips)[0] == (0, 2)


def test_equal_folders_are_one_dataset_whatever_the_format(clips: Path, tmp_path: Path, write_tone: WriteClip) -> None:
    shutil.copytree(clips, tmp_path / "copy")
    first = dataset.look_at(clips, RATE)
    assert dataset.look_at(tmp_path / "copy", RATE).dataset_id == first.dataset_id
    write_tone(tmp_path / "copy" / "a.wav", 201)
    assert dataset.look_at(tmp_path / "copy", RATE).dataset_id != first.dataset_id
    assert dataset.look_at(clips, 8000).dataset_id != first.dataset_id


def test_a_folder_without_audio(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    with pytest.raises(AudioError, match="empty"):
        dataset.look_at(tmp_path / "clips", RATE)
    with pytest.raises(AudioError, match="no such folder"):
        dataset.look_at(tmp_path / "none", RATE)


def test_clips_that_cannot_be_used_are_left_out_and_named_all_of_them(clips: Path, write_tone: WriteClip) -> None:
    (clips / "text.wav").write_text("this is no audio")
    (clips / "gone.wav").symlink_to(clips / "nowhere.wav")
    cut = write_tone(clips / "cut.wav", 400)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    soundfile.write(clips / "nan.wav", np.array([0.1, np.nan] * 800, np.float32), RATE, subtype="FLOAT")
    data = dataset.look_at(clips, RATE)
    assert [data.name(clip) for clip in data.clips] == ["a.wav", "తెలుగు/b.flac"]
    assert [(clip.name, " ".join(clip.complaint.split()[:2])) for clip in data.broken] == [
        ("cut.wav", "is truncated"),
        ("gone.wav", "cannot be"),
        ("nan.wav", "holds NaN"),
        ("text.wav", "is not"),
    ]


@pytest.mark.parametrize("name", ["new\nline.wav", "back\\slash.wav", "C:clip.wav"])
def test_a_file_whose_name_no_store_can_hold(clips: Path, name: str, write_tone: WriteClip) -> None:
    write_tone(clips / name)
    (broken,) = dataset.look_at(clips, RATE).broken
    assert broken.name == name
    assert "rename it" in broken.complaint
