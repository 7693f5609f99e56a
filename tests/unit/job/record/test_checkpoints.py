import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from infra.store import Store
from job.record import checkpoints
from job.record.checkpoints import BrokenCheckpointError
from job.record.run import Run

FILES = {"model.safetensors": b"weights" * 1000, "trainer.pt": b"state"}


def save(folder: Path, step: int, files: dict[str, bytes] = FILES, **manifest: Any) -> Path:
    """A checkpoint as the trainer leaves it."""
    checkpoint = folder / f"{step:08d}"
    checkpoint.mkdir(parents=True)
    for name, data in files.items():
        (checkpoint / name).write_bytes(data)
    facts = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    (checkpoint / "manifest.json").write_text(json.dumps({"step": step, "finite": True, "files": facts, **manifest}))
    return checkpoint


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def put_up(run: Run, attempt: int, step: int, tmp_path: Path, **save_options: Any) -> str:
    """Uploads a checkpoint; returns its prefix in the store."""
    checkpoint = save(tmp_path / f"trained-{attempt}", step, **save_options)
    assert checkpoints.upload(run.attempt(attempt), checkpoint, "checkpoints")
    return f"{run.attempt(attempt).prefix}/checkpoints/{step:08d}"


def test_finished_checkpoints_are_found_oldest_first(tmp_path: Path) -> None:
    for step in (300, 20):
        save(tmp_path, step)
    (save(tmp_path, 100) / "manifest.json").unlink()
    save(tmp_path, 400).rename(tmp_path / ".00000400.partial")
    assert [path.name for path in checkpoints.complete_checkpoints(tmp_path)] == ["00000020", "00000300"]
    assert checkpoints.complete_checkpoints(tmp_path / "none") == []


def test_the_manifest_is_uploaded_last(run: Run, store: Store, tmp_path: Path) -> None:
    checkpoint = save(tmp_path, 10)
    (checkpoint / "trainer.pt").unlink()  # the trainer prunes while the agent uploads
    assert not checkpoints.upload(run.attempt(1), checkpoint, "checkpoints")
    assert run.attempt(1).checkpoints() == []


def test_evidence_is_never_restored(run: Run, store: Store, tmp_path: Path) -> None:
    assert checkpoints.upload(run.attempt(1), save(tmp_path, 10), "evidence")
    assert [info.key for info in store.list(f"{run.attempt(1).prefix}/evidence/00000010/")]
    assert checkpoints.restore_newest(run, tmp_path / "restored") == (None, [])


def test_finite_is_what_the_trainer_found(tmp_path: Path) -> None:
    assert checkpoints.is_finite(save(tmp_path, 1))
    assert not checkpoints.is_finite(save(tmp_path, 2, finite=False))


def test_what_is_uploaded_can_be_restored(run: Run, tmp_path: Path) -> None:
    put_up(run, 1, 10, tmp_path)
    put_up(run, 2, 20, tmp_path)
    ref, skipped = checkpoints.restore_newest(run, tmp_path / "restored")
    assert ref is not None
    assert ((ref.step, ref.attempt), skipped) == ((20, 2), [])
    assert contents(tmp_path / "restored" / "00000020") == contents(tmp_path / "trained-2" / "00000020")


@pytest.mark.parametrize("name", ["trainer.pt", "manifest.json"])
@pytest.mark.parametrize("data", [b"other bytes", b"[]", b'{"files": {"trainer.pt": {}}}', b'{"files": [1]}'])
def test_a_broken_checkpoint_is_skipped_and_leaves_nothing(run: Run, tmp_path: Path, name: str, data: bytes) -> None:
    put_up(run, 1, 10, tmp_path)
    run.store.put(f"{put_up(run, 1, 20, tmp_path)}/{name}", data)
    ref, skipped = checkpoints.restore_newest(run, tmp_path / "restored")
    assert ref is not None
    assert ref.step == 10
    assert len(skipped) == 1
    assert "00000020" in skipped[0]
    assert names(tmp_path / "restored") == ["00000010"]


def test_a_checkpoint_with_a_file_missing_is_skipped(run: Run, tmp_path: Path) -> None:
    run.store.delete(f"{put_up(run, 1, 20, tmp_path)}/trainer.pt")
    ref, skipped = checkpoints.restore_newest(run, tmp_path / "restored")
    assert ref is None
    assert "is not a whole checkpoint" in skipped[0]


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
def test_a_manifest_that_names_a_file_elsewhere_is_skipped(run: Run, tmp_path: Path, name: str) -> None:
    prefix = put_up(run, 1, 20, tmp_path)
    run.store.put(f"{prefix}/manifest.json", json.dumps({"files": {name: {"sha256": "0"}}}).encode())
    ref, skipped = checkpoints.restore_newest(run, tmp_path / "restored")
    assert (ref, len(skipped)) == (None, 1)
    assert not list(tmp_path.rglob("evil"))


def test_a_download_that_fails_leaves_an_earlier_one_as_it_was(run: Run, tmp_path: Path) -> None:
    prefix = put_up(run, 1, 10, tmp_path)
    (ref,) = run.attempt(1).checkpoints()
    there = checkpoints.download(run.store, ref, tmp_path / "restored")
    before = contents(there)
    run.store.put(f"{prefix}/manifest.json", run.store.get(f"{prefix}/manifest.json") + b"\n")
    run.store.put(f"{prefix}/model.safetensors", b"damaged since")
    with pytest.raises(BrokenCheckpointError, match=r"model\.safetensors in .* differs from its manifest"):
        checkpoints.download(run.store, ref, tmp_path / "restored")
    assert contents(there) == before
    assert names(tmp_path / "restored") == ["00000010"]


def test_a_download_replaces_an_earlier_one(run: Run, tmp_path: Path) -> None:
    put_up(run, 1, 10, tmp_path)
    half = tmp_path / "restored" / "00000010"
    half.mkdir(parents=True)
    (half / "stale").write_bytes(b"")
    (ref,) = run.attempt(1).checkpoints()
    assert sorted(contents(checkpoints.download(run.store, ref, tmp_path / "restored"))) == [
        "manifest.json",
        "model.safetensors",
        "trainer.pt",
    ]
