"""Checkpoints between a folder and the store: files first, manifest last; every file verified by its hash on return."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from infra.files import sha256_of
from infra.store import InvalidKey, NotFound, Store, StoreError
from infra.store.keys import check_key
from job.record.attempt import Attempt, CheckpointRef
from job.record.run import Run

MANIFEST = "manifest.json"
PULLING = ".pulling"


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

    What an interrupted call has brought stays in a hidden folder for the next one. One that is there already is
    verified and left as it is.

    Raises:
        BrokenCheckpointError: a file is missing or differs from the manifest.
    """
    final = folder / ref.prefix.rsplit("/", 1)[1]
    partial = folder / f".{final.name}-{ref.attempt}{PULLING}"
    try:
        manifest = _manifest(store, ref)
        if not _is_whole(final, manifest):
            _download(store, ref, manifest, partial)
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
    except BrokenCheckpointError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for other in folder.glob(f".*{PULLING}"):  # what nobody will take up any more
        shutil.rmtree(other, ignore_errors=True)
    return final


def restore_newest(
    run: Run, folder: Path, wanted: Iterable[CheckpointRef] | None = None
) -> tuple[CheckpointRef | None, list[str]]:
    """Brings the first that verifies of those ``wanted`` (the newest first, if nothing else is said).

    Also says which ones were skipped as broken.
    """
    skipped: list[str] = []
    for ref in run.checkpoints() if wanted is None else wanted:
        try:
            download(run.store, ref, folder)
        except BrokenCheckpointError as error:
            skipped.append(str(error))
            continue
        return ref, skipped
    return None, skipped


def _manifest(store: Store, ref: CheckpointRef) -> bytes:
    try:
        manifest = store.get(f"{ref.prefix}/{MANIFEST}")
        for facts in _manifest_files(json.loads(manifest)).values():
            str(facts["sha256"])
    except (NotFound, InvalidKey, ValueError, KeyError, TypeError) as error:
        raise BrokenCheckpointError(f"{ref.prefix} in {store.url} is not a whole checkpoint: {error}") from error
    return manifest


def _download(store: Store, ref: CheckpointRef, manifest: bytes, target: Path) -> None:
    for name, facts in _manifest_files(json.loads(manifest)).items():
        if _is_file(target / name, facts):
            continue
        try:
            store.download(f"{ref.prefix}/{name}", target / name)
        except NotFound as error:
            raise BrokenCheckpointError(f"{ref.prefix} in {store.url} is not a whole checkpoint: {error}") from error
        if not _is_file(target / name, facts):
            raise BrokenCheckpointError(f"{ref.prefix}/{name} in {store.url} differs from its manifest")
    target.mkdir(parents=True, exist_ok=True)
    (target / MANIFEST).write_bytes(manifest)


def _is_whole(folder: Path, manifest: bytes) -> bool:
    """Whether a folder holds the checkpoint of a manifest already, and nothing else."""
    files = _manifest_files(json.loads(manifest))
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != {MANIFEST, *files}:
        return False
    return (folder / MANIFEST).read_bytes() == manifest and all(_is_file(folder / n, f) for n, f in files.items())


def _is_file(path: Path, facts: Any) -> bool:
    return path.is_file() and sha256_of(path) == facts["sha256"]


def _manifest_files(manifest: Any) -> dict[str, Any]:
    files = dict(manifest["files"])
    for name in files:
        check_key(name)  # what a pod wrote is not trusted with paths
    return files
