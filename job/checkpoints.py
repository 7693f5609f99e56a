"""Checkpoints between a folder and the store: files first, manifest last; every file verified by its hash on return."""

import json
import shutil
from pathlib import Path
from typing import Any, Literal

from infra.store import InvalidKey, NotFound, Store, StoreError
from infra.store.keys import check_key
from job.hashing import sha256_of
from job.record import Attempt, CheckpointRef, Run

MANIFEST = "manifest.json"


class BrokenCheckpointError(StoreError):
    """A checkpoint in the store whose files are missing or are not those of its manifest."""


def complete_checkpoints(folder: Path) -> list[Path]:
    """The trainer's finished checkpoints, oldest first: the trainer writes the manifest last and then renames."""
    return sorted(path.parent for path in folder.glob(f"[0-9]*/{MANIFEST}"))


def upload(
    attempt: Attempt, checkpoint: Path, kind: Literal["checkpoints", "evidence"], sent: set[str] | None = None
) -> bool:
    """Copies a finished checkpoint into the attempt's record; False if the trainer pruned it meanwhile.

    ``evidence`` is where the checkpoint of a BAD or non-finite state goes: kept, never restored. ``sent`` holds the
    names that an earlier call, which failed, has brought up already.
    """
    prefix = f"{attempt.prefix}/{kind}/{checkpoint.name}"
    sent = set() if sent is None else sent
    try:
        files = _manifest_files(json.loads((checkpoint / MANIFEST).read_text()))
        for name in files:
            if name not in sent:
                attempt.store.upload(checkpoint / name, f"{prefix}/{name}")
                sent.add(name)
        attempt.store.upload(checkpoint / MANIFEST, f"{prefix}/{MANIFEST}")
    except FileNotFoundError:
        return False
    return True


def is_finite(checkpoint: Path) -> bool:
    """Whether the trainer found the weights finite when it saved them."""
    return bool(json.loads((checkpoint / MANIFEST).read_text()).get("finite", True))


def download(store: Store, ref: CheckpointRef, folder: Path) -> Path:
    """Brings a checkpoint to ``folder/<step>``, which appears only when it is whole and verified.

    Raises:
        BrokenCheckpointError: a file is missing or differs from the manifest.
    """
    final = folder / ref.prefix.rsplit("/", 1)[1]
    partial = folder / f".{final.name}.pulling"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _download(store, ref, partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final


def restore_newest(run: Run, folder: Path) -> tuple[CheckpointRef | None, list[str]]:
    """Brings the newest checkpoint that verifies; also says which ones were skipped as broken."""
    skipped: list[str] = []
    for ref in run.checkpoints():
        try:
            download(run.store, ref, folder)
        except BrokenCheckpointError as error:
            skipped.append(str(error))
            continue
        return ref, skipped
    return None, skipped


def _download(store: Store, ref: CheckpointRef, target: Path) -> None:
    try:
        manifest = store.get(f"{ref.prefix}/{MANIFEST}")
        for name, facts in _manifest_files(json.loads(manifest)).items():
            store.download(f"{ref.prefix}/{name}", target / name)
            if sha256_of(target / name) != facts["sha256"]:
                raise BrokenCheckpointError(f"{ref.prefix}/{name} in {store.url} differs from its manifest")
    except (NotFound, InvalidKey, ValueError, KeyError, TypeError) as error:
        raise BrokenCheckpointError(f"{ref.prefix} in {store.url} is not a whole checkpoint: {error}") from error
    target.mkdir(parents=True, exist_ok=True)
    (target / MANIFEST).write_bytes(manifest)


def _manifest_files(manifest: Any) -> dict[str, Any]:
    files = dict(manifest["files"])
    for name in files:
        check_key(name)  # what a pod wrote is not trusted with paths
    return files
