import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.audio import AudioError
from infra.store import InvalidKey, Store, StoreError
from job import dataset

RATE = 16000


def write_clip(path: Path, pitch: float = 220.0, level: float = 0.3, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = level * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE)
    soundfile.write(path, tone.astype(np.float32), RATE)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    write_clip(folder / "a.wav", 200)
    write_clip(folder / "తెలుగు" / "b.flac", 300, seconds=1.0)
    (folder / "notes.txt").write_text("not audio")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_looked_at_whole(clips: Path) -> None:
    calls: list[tuple[int, int]] = []
    data = dataset.look_at(clips, on_file=lambda done, total: calls.append((done, total)))
    assert [file.path for file in data.manifest.files] == ["a.wav", "తెలుగు/b.flac"]
    assert data.seconds == pytest.approx(1.5)
    assert data.size == sum(path.stat().st_size for path in (clips / "a.wav", clips / "తెలుగు" / "b.flac"))
    assert calls == [(0, 2), (1, 2), (2, 2)]


def test_equal_folders_are_one_dataset(clips: Path, tmp_path: Path) -> None:
    shutil.copytree(clips, tmp_path / "copy")
    first, second = (dataset.look_at(folder).manifest for folder in (clips, tmp_path / "copy"))
    assert first.dataset_id() == second.dataset_id()
    write_clip(tmp_path / "copy" / "a.wav", 201)
    assert dataset.look_at(tmp_path / "copy").manifest.dataset_id() != first.dataset_id()


def test_what_is_pushed_can_be_pulled(clips: Path, store: Store, tmp_path: Path) -> None:
    dataset_id = dataset.push(store, dataset.look_at(clips))
    dataset.pull(store, dataset_id, tmp_path / "pulled")
    expected = files_of(clips)
    del expected["notes.txt"]
    assert files_of(tmp_path / "pulled") == expected


def test_what_the_store_has_is_not_uploaded_again(clips: Path, store: Store) -> None:
    dataset.push(store, dataset.look_at(clips))
    before = {info.key: info.modified for info in store.list("objects/")}
    write_clip(clips / "c.wav", 400)
    dataset.push(store, dataset.look_at(clips))
    after = {info.key: info.modified for info in store.list("objects/")}
    assert len(after) == 3
    assert {key: after[key] for key in before} == before


def test_the_manifest_is_there_only_after_its_objects(clips: Path, store: Store) -> None:
    data = dataset.look_at(clips)
    (clips / "తెలుగు" / "b.flac").unlink()
    with pytest.raises(FileNotFoundError):
        dataset.push(store, data)
    assert list(store.list("datasets/")) == []


def test_a_pull_mends_a_damaged_file_and_keeps_a_whole_one(clips: Path, store: Store, tmp_path: Path) -> None:
    dataset_id = dataset.push(store, dataset.look_at(clips))
    pulled = tmp_path / "pulled"
    dataset.pull(store, dataset_id, pulled)
    kept = (pulled / "a.wav").stat().st_mtime_ns
    (pulled / "తెలుగు" / "b.flac").write_bytes(b"half")
    dataset.pull(store, dataset_id, pulled)
    assert (pulled / "a.wav").stat().st_mtime_ns == kept
    assert files_of(pulled)["తెలుగు/b.flac"] == files_of(clips)["తెలుగు/b.flac"]


def test_a_damaged_object_is_not_taken_for_audio(clips: Path, store: Store, tmp_path: Path) -> None:
    data = dataset.look_at(clips)
    dataset_id = dataset.push(store, data)
    store.put(f"objects/{data.manifest.files[0].sha256}", b"other bytes")
    with pytest.raises(StoreError, match="is damaged: remove it and submit the data again"):
        dataset.pull(store, dataset_id, tmp_path / "pulled")
    assert not (tmp_path / "pulled" / "a.wav").exists()


def test_a_manifest_cannot_write_outside_its_folder(store: Store, tmp_path: Path) -> None:
    evil = dataset.Manifest(files=(dataset.DataFile(path="../evil.wav", size=1, sha256="0" * 64),))
    store.put("objects/" + "0" * 64, b"x")
    store.put("datasets/evil/manifest.json", evil.model_dump_json().encode())
    with pytest.raises(InvalidKey):
        dataset.pull(store, "evil", tmp_path / "pulled")
    assert not (tmp_path / "evil.wav").exists()


@pytest.mark.parametrize("data", [b"{}", b"half of a {", b'{"files": [{"path": "a"}]}'])
def test_a_damaged_manifest(store: Store, tmp_path: Path, data: bytes) -> None:
    store.put("datasets/d/manifest.json", data)
    with pytest.raises(StoreError, match=r"manifest\.json .* is damaged"):
        dataset.pull(store, "d", tmp_path / "pulled")


def test_a_dataset_that_is_not_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no object datasets/none"):
        dataset.pull(store, "none", tmp_path / "pulled")


# Folders that cannot be trained on.


def test_a_folder_without_audio(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    with pytest.raises(AudioError, match="empty"):
        dataset.look_at(tmp_path / "clips")
    with pytest.raises(AudioError, match="no such folder"):
        dataset.look_at(tmp_path / "none")


def test_clips_that_cannot_be_used_are_left_out_and_named_all_of_them(clips: Path) -> None:
    (clips / "text.wav").write_text("this is no audio")
    cut = write_clip(clips / "cut.wav", 400)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    soundfile.write(clips / "nan.wav", np.array([0.1, np.nan] * 800, np.float32), RATE, subtype="FLOAT")
    data = dataset.look_at(clips)
    assert [file.path for file in data.manifest.files] == [data.name(clip) for clip in data.clips]
    assert [data.name(clip) for clip in data.clips] == ["a.wav", "తెలుగు/b.flac"]
    assert [(clip.name, clip.complaint.split()[0]) for clip in data.broken] == [
        ("cut.wav", "is"),
        ("nan.wav", "holds"),
        ("text.wav", "is"),
    ]


@pytest.mark.parametrize("name", ["new\nline.wav", "back\\slash.wav", "C:clip.wav"])
def test_a_file_whose_name_no_store_can_hold(clips: Path, name: str) -> None:
    write_clip(clips / name)
    (broken,) = dataset.look_at(clips).broken
    assert broken.name == name
    assert "rename it" in broken.complaint


def test_files_are_listed_as_they_are_pushed(clips: Path) -> None:
    assert dataset.list_files(clips) == dataset.look_at(clips).manifest


def test_lengths_are_those_at_the_trainers_rate(clips: Path) -> None:
    assert [clip.length for clip in dataset.look_at(clips, 8000).clips] == [4000, 8000]
