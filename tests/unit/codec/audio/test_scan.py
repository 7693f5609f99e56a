from pathlib import Path

import pytest

from codec.audio import AudioError, find_audio


def test_finds_audio_of_any_case_in_any_depth_sorted_and_nothing_hidden(tmp_path: Path) -> None:
    for name in ("b.WAV", "a/deep/x.mp3", "a/y.Ogg", "z.flac", "notes.txt", ".h.wav", "._b.wav", ".cache/c.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_audio(tmp_path)]
    assert found == ["a/deep/x.mp3", "a/y.Ogg", "b.WAV", "z.flac"]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="nowhere: no such folder"):
        find_audio(tmp_path / "nowhere")


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(AudioError, match=r"a\.wav: is a file; give the folder"):
        find_audio(tmp_path / "a.wav")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"is empty; put \.wav, \.flac, \.ogg or \.mp3"):
        find_audio(tmp_path)


def test_a_folder_without_audio(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "readme.txt").touch()
    with pytest.raises(AudioError, match="no audio in it"):
        find_audio(tmp_path)
