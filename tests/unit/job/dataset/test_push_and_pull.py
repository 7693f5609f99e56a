import hashlib
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from codec.audio import AudioError, pack
from infra.store import Store, StoreError
from job import dataset
from job.dataset import manifest as manifests

RATE = 16000
WriteClip = Callable[..., Path]


def push(store: Store, folder: Path, rate: int = RATE) -> dataset.Pushed:
    return dataset.push(store, dataset.look_at(folder, rate))


def objects(store: Store) -> dict[str, float]:
    return {info.key: info.modified for info in store.list("objects/")}


def only_manifest(store: Store) -> dataset.Manifest:
    (only,) = manifests.list_datasets(store)
    return manifests.read_manifest(store, only.id)


def test_what_is_pulled_is_what_the_trainer_would_have_decoded_itself(
    clips: Path, store: Store, tmp_path: Path, write_tone: WriteClip
) -> None:
    shutil.copy(clips / "a.wav", clips / "copy.wav")
    pushed = push(store, clips)
    dataset.pull(store, pushed.dataset_id, tmp_path / "pulled")
    theirs = pack(tmp_path / "pulled", tmp_path / "unused", RATE)
    ours = pack(clips, tmp_path / "decoded", RATE)
    assert [clip.name for clip in theirs.clips] == ["a.wav", "copy.wav", "తెలుగు/b.flac"]
    assert not (tmp_path / "unused").exists()
    for their, our in zip(theirs.clips, ours.clips, strict=True):
        assert (their.name, their.length, their.sha256) == (our.name, our.length, our.sha256)
        np.testing.assert_array_equal(
            theirs.samples[their.offset : their.offset + their.length],
            ours.samples[our.offset : our.offset + our.length],
        )


@pytest.mark.slow
def test_a_shard_is_an_archive_that_tar_and_any_player_read(clips: Path, store: Store, tmp_path: Path) -> None:
    import soundfile

    push(store, clips)
    (key,) = objects(store)
    store.download(key, tmp_path / "shard.tar")
    assert hashlib.sha256((tmp_path / "shard.tar").read_bytes()).hexdigest() == key.removeprefix("objects/")
    subprocess.run(["tar", "-xf", "shard.tar"], cwd=tmp_path, check=True, timeout=120)
    for clip in only_manifest(store).clips:
        pcm, rate = soundfile.read(tmp_path / f"{clip.sha256}.wav", dtype="int16")
        assert rate == RATE
        assert hashlib.sha256(pcm.tobytes()).hexdigest() == clip.sha256


def test_an_unchanged_folder_uploads_nothing(clips: Path, store: Store) -> None:
    first = push(store, clips)
    before = objects(store)
    again = push(store, clips)
    assert (again.dataset_id, again.uploaded, again.uploaded_bytes) == (first.dataset_id, 0, 0)
    assert objects(store) == before


def test_one_new_file_uploads_one_small_shard(clips: Path, store: Store, write_tone: WriteClip) -> None:
    first = push(store, clips)
    before = objects(store)
    write_tone(clips / "c.wav", 400, seconds=0.1)
    second = push(store, clips)
    assert second.dataset_id != first.dataset_id
    assert second.uploaded == 1
    assert second.uploaded_bytes < 8192
    after = objects(store)
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 1


def test_a_removed_renamed_or_doubled_file_uploads_nothing(clips: Path, store: Store, write_tone: WriteClip) -> None:
    write_tone(clips / "c.wav", 400)
    push(store, clips)
    (clips / "a.wav").rename(clips / "z.wav")
    shutil.copy(clips / "c.wav", clips / "d.wav")
    assert push(store, clips).uploaded == 0
    (clips / "z.wav").unlink()
    assert push(store, clips).uploaded == 0
    assert len(manifests.list_datasets(store)) == 3


def test_a_shard_that_is_hardly_wanted_is_not_brought_to_a_pod(
    clips: Path, store: Store, write_tone: WriteClip
) -> None:
    push(store, clips)
    (clips / "తెలుగు" / "b.flac").unlink()  # two thirds of the shard
    write_tone(clips / "c.wav", 400)
    pushed = push(store, clips)
    assert pushed.uploaded == 1
    assert pushed.manifest.size == pushed.uploaded_bytes


def test_another_rate_is_another_dataset(clips: Path, store: Store, tmp_path: Path) -> None:
    first, second = push(store, clips), push(store, clips, 8000)
    assert first.dataset_id != second.dataset_id
    assert second.uploaded == 1
    dataset.pull(store, second.dataset_id, tmp_path / "pulled")
    assert [clip.length for clip in pack(tmp_path / "pulled", tmp_path / "unused", 8000).clips] == [4000, 8000]
    with pytest.raises(AudioError, match="holds audio packed at 8000 Hz, not 16000"):
        pack(tmp_path / "pulled", tmp_path / "unused", RATE)


def test_what_a_push_without_an_end_has_left_is_used(clips: Path, store: Store) -> None:
    pushed = push(store, clips)
    store.delete(manifests.manifest_key(pushed.dataset_id))
    again = push(store, clips)
    assert (again.uploaded, again.manifest) == (0, pushed.manifest)


@pytest.mark.parametrize("damage", [b"", None])
def test_a_push_mends_what_is_missing_or_cut(clips: Path, store: Store, tmp_path: Path, damage: bytes | None) -> None:
    pushed = push(store, clips)
    (key,) = objects(store)
    if damage is None:
        store.delete(key)
    else:
        store.put(key, damage)
    again = push(store, clips)
    assert (again.dataset_id, again.uploaded) == (pushed.dataset_id, 1)
    dataset.pull(store, pushed.dataset_id, tmp_path / "pulled")


def test_the_manifest_is_there_only_after_its_objects(clips: Path, store: Store) -> None:
    data = dataset.look_at(clips, RATE)
    (clips / "a.wav").unlink()
    with pytest.raises(AudioError, match=r"a\.wav: cannot be read"):
        dataset.push(store, data)
    assert list(store.list("datasets/")) == []


def test_a_file_that_changes_between_look_and_push_is_named(clips: Path, store: Store, write_tone: WriteClip) -> None:
    data = dataset.look_at(clips, RATE)
    write_tone(clips / "a.wav", 201)
    with pytest.raises(AudioError, match=r"a\.wav: was changed while it was being packed"):
        dataset.push(store, data)
    assert objects(store) == {}


def test_a_cache_that_cannot_be_kept_costs_time_only(
    clips: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    assert push(store, clips).uploaded == 1
    assert push(store, clips).uploaded == 0


def test_a_pull_mends_what_is_damaged_and_keeps_the_rest(
    clips: Path, store: Store, tmp_path: Path, write_tone: WriteClip
) -> None:
    push(store, clips)
    write_tone(clips / "c.wav", 400)
    pushed = push(store, clips)
    folder = tmp_path / "pulled"
    dataset.pull(store, pushed.dataset_id, folder)
    whole = (folder / "samples.int16").read_bytes()
    first, second = pushed.manifest.shards
    with (folder / "samples.int16").open("r+b") as file:
        file.seek(first.size + 1000)
        file.write(b"damage")
    store.delete(manifests.object_key(first.sha256))  # whoever asks for it fails
    dataset.pull(store, pushed.dataset_id, folder)
    assert (folder / "samples.int16").read_bytes() == whole
    assert len(pack(folder, tmp_path / "unused", RATE).clips) == 3
    assert {path.name for path in folder.iterdir()} == {"samples.int16", "clips.json"}
    assert second.size > 0


def test_a_damaged_object_is_not_taken_for_audio(clips: Path, store: Store, tmp_path: Path) -> None:
    pushed = push(store, clips)
    (key,) = objects(store)
    data = bytearray(store.get(key))
    data[5000] ^= 1
    store.put(key, bytes(data))
    with pytest.raises(StoreError, match=f"{key} in .* is damaged: remove it and push the data again"):
        dataset.pull(store, pushed.dataset_id, tmp_path / "pulled")
    assert not (tmp_path / "pulled" / "clips.json").exists()
    with pytest.raises(AudioError):
        pack(tmp_path / "pulled", tmp_path / "unused", RATE)


def test_a_missing_object_is_named(clips: Path, store: Store, tmp_path: Path) -> None:
    pushed = push(store, clips)
    (key,) = objects(store)
    store.delete(key)
    with pytest.raises(StoreError, match=f"{key} is missing in .*: push the data again"):
        dataset.pull(store, pushed.dataset_id, tmp_path / "pulled")


def test_whoever_watches_a_pull_can_end_it(clips: Path, store: Store, tmp_path: Path) -> None:
    pushed = push(store, clips)
    heard: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        heard.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.pull(store, pushed.dataset_id, tmp_path / "pulled", stop)
    assert heard == [(0, pushed.manifest.size)]
    dataset.pull(store, pushed.dataset_id, tmp_path / "pulled")


def test_a_folder_that_cannot_hold_the_data(clips: Path, store: Store, tmp_path: Path) -> None:
    pushed = push(store, clips)
    (tmp_path / "pulled").write_text("a file")
    with pytest.raises(StoreError, match="pulled: the data cannot be kept there"):
        dataset.pull(store, pushed.dataset_id, tmp_path / "pulled")


def test_a_dataset_that_is_not_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no object datasets/none"):
        dataset.pull(store, "none", tmp_path / "pulled")


def test_a_large_clip_passes_through_in_little_memory(store: Store, tmp_path: Path) -> None:
    import soundfile

    (tmp_path / "clips").mkdir()
    with soundfile.SoundFile(tmp_path / "clips" / "long.wav", "w", 16000, 1) as file:
        noise = np.random.default_rng(0).integers(-9999, 9999, 16000 * 60, dtype=np.int16)
        for minute in range(10):
            file.write(noise + minute)
    tracemalloc.start()
    pushed = push(store, tmp_path / "clips")
    dataset.pull(store, pushed.dataset_id, tmp_path / "pulled")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pushed.manifest.size > 19_000_000
    assert peak < 16_000_000
