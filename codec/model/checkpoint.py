"""Checkpoints that are whole or absent.

    checkpoints/<step:08d>/  model.safetensors  config.json  trainer.pt  manifest.json

A checkpoint is built in a dot-prefixed folder beside its place, its manifest (a hash of every file)
is written last, and the folder is renamed: a folder with a manifest is complete.
"""

import errno
import hashlib
import io
import json
import math
import os
import pickle
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from codec.audio import Clip
from codec.config import ModelConfig, TrainConfig, spell
from codec.errors import UserError
from codec.files import to_json
from codec.model.codec import Codec

MODEL, TRAINER, CONFIG, MANIFEST = "model.safetensors", "trainer.pt", "config.json", "manifest.json"


def clip_ids(clips: Sequence[Clip]) -> torch.Tensor:
    """A number for the sound of each clip, int64 [N]: the first 8 bytes of its hash. Names and folders don't count."""
    numbers = [int.from_bytes(bytes.fromhex(clip.sha256)[:8], "big", signed=True) for clip in clips]
    return torch.tensor(numbers, dtype=torch.int64)


def save(
    root: Path,
    model: Codec,
    config: TrainConfig,
    trainer: Mapping[str, Any],
    *,
    step: int,
    epoch: int,
    snr_db: float | None,
) -> Path:
    """Write root/<step:08d> and return it; `snr_db` is the validation's at this very step, if there was one.

    `trainer` is what torch.load(weights_only=True) can read. Raises UserError if the disk is full, after
    removing what it had written; earlier checkpoints stay.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    # Bytes first, then files: what torch and safetensors raise on a full disk differs by version.
    contents = {
        MODEL: safetensors.torch.save(weights),
        TRAINER: _torch_bytes(dict(trainer)),
        CONFIG: (to_json(config.as_dict(), indent=2) + "\n").encode(),
    }
    manifest = {
        "step": step,
        "epoch": epoch,
        "finite": all(bool(value.isfinite().all()) for value in weights.values()),
        "snr_db": snr_db,
        "files": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()
        },
    }
    contents[MANIFEST] = (to_json(manifest, indent=2) + "\n").encode()  # dicts keep order: written last

    final = root / f"{step:08d}"
    partial = root / f".{final.name}.partial"
    try:
        root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for name, data in contents.items():
            _write_through(partial / name, data)
        _replace_folder(partial, final)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(_save_failed(root, step, error)) from error
    return final


def newest_complete(root: Path, say: Callable[[str], None]) -> Path | None:
    """The newest checkpoint that is whole, verified by hash, and finite; None if there is none.

    Newer ones that are not are skipped, with a line to `say` for each.
    """
    for folder in reversed(folders(root)):
        fault = complaint(folder)
        if fault is None:
            return folder
        say(f"{folder}: skipped, {fault}")
    return None


def restore(folder: Path, model: Codec) -> dict[str, Any]:
    """Load the weights into the model and return the trainer's state, on the CPU.

    Raises UserError if the checkpoint is of another architecture or its state is refused.
    """
    _check_architecture(folder, model.config)
    state = trainer_state(folder)
    model.load_state_dict(safetensors.torch.load_file(folder / MODEL))
    return state


def trainer_state(folder: Path, mmap: bool = False) -> dict[str, Any]:
    """What `save` was given as `trainer`, on the CPU; `mmap` reads from disk only what is used of it.

    A pickle can name any code to be run when it is read: whoever wrote it would have this machine. Only tensors and
    plain values are taken. Raises UserError for anything else.
    """
    try:
        return dict(torch.load(folder / TRAINER, weights_only=True, map_location="cpu", mmap=mmap))
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:  # the last for what is no archive of torch's
        raise UserError(
            f"{folder / TRAINER}: refused, it is not tensors and plain values alone and may hold code; "
            "take a checkpoint that codec train has written"
        ) from error


def prune(root: Path, keep: int) -> None:
    """Remove all but the newest `keep` finite checkpoints, the best by snr_db and the newest non-finite one.

    Non-finite ones are evidence, never restored, so they don't push out what a resume needs.
    """
    manifests = {folder: read_manifest(folder) for folder in folders(root)}
    finite = [folder for folder, manifest in manifests.items() if manifest["finite"]]
    broken = [folder for folder in manifests if folder not in finite]
    kept = {*finite[-keep:], *broken[-1:]}
    if finite:
        kept.add(max(finite, key=lambda folder: _rank(manifests[folder]["snr_db"])))
    for folder in manifests:
        if folder not in kept:
            _remove(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a complete checkpoint."""
    return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))


def folders(root: Path) -> list[Path]:
    """Checkpoints with a manifest, oldest first."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.name.isdigit() and (path / MANIFEST).is_file())


def complaint(folder: Path) -> str | None:
    """Why a complete checkpoint can't be used, or None: a file that is not its hash's, weights that are not finite."""
    try:
        manifest = read_manifest(folder)
        for name, expected in manifest["files"].items():
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected["sha256"]:
                    return f"{name} is damaged (its hash is not the manifest's)"
    except (OSError, ValueError, KeyError) as error:
        return f"it can't be read ({error})"
    return None if manifest["finite"] else "its weights are not finite"


def _torch_bytes(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace_folder(partial: Path, final: Path) -> None:
    # A folder of this name is left from before a resume that skipped it.
    if final.exists():
        _remove(final)
    partial.rename(final)
    for folder in (final, final.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(folder: Path) -> None:
    # Renamed first, so that nobody sees a checkpoint that has lost half its files.
    trash = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(trash, ignore_errors=True)
    folder.rename(trash)
    shutil.rmtree(trash)


def _save_failed(root: Path, step: int, error: OSError) -> str:
    last = newest_complete(root, say=lambda _: None)
    survivor = f"the last good checkpoint is {last}" if last else "there is no earlier checkpoint"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{root}: the disk is full, step {step} is not saved; {survivor}; make room and run it again"
    return f"{root}: step {step} cannot be saved ({error.strerror}); {survivor}"


def _check_architecture(folder: Path, wanted: ModelConfig) -> None:
    saved = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    for item in fields(ModelConfig):
        # What an earlier version did not know, it did not do: that is the default.
        theirs, ours = spell(saved.get(item.name, item.default)), spell(getattr(wanted, item.name))
        if theirs != ours:
            raise UserError(
                f"{folder}: was trained with --{item.name} {theirs}, not {ours}; "
                f"give --{item.name} {theirs} or another --checkpoint_dir"
            )


def _rank(snr_db: object) -> float:
    return snr_db if isinstance(snr_db, float) and math.isfinite(snr_db) else -math.inf
