"""The run's audio in the store: content-addressed objects and a manifest, pushed by the client, pulled by the agent."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from codec.audio import SILENCE_RMS, AudioError, ClipInfo, find_audio, inspect
from infra.store import Store, StoreError
from infra.store.keys import check_key
from job.errors import UsageError

OnFile = Callable[[int, int], None]
"""Called with (files done, files in all)."""


class DataFile(BaseModel):
    """One clip of a dataset: its path below the folder, its bytes and their hash."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    sha256: str


class Manifest(BaseModel):
    """datasets/<id>/manifest.json: what a dataset is made of, written after every object it names."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    files: tuple[DataFile, ...]

    def dataset_id(self) -> str:
        """The hash of the manifest: equal folders are one dataset."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


@dataclass(frozen=True)
class LocalData:
    """A folder of audio that has been looked at whole."""

    folder: Path
    manifest: Manifest
    clips: tuple[ClipInfo, ...]

    @property
    def seconds(self) -> float:
        """Duration of all clips."""
        return sum(clip.seconds for clip in self.clips)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.manifest.files)


def look_at(folder: Path, on_file: OnFile = lambda done, total: None) -> LocalData:
    """Decodes every clip of a folder and hashes it, so that a run cannot fail over its data on paid time.

    Raises:
        AudioError: a clip cannot be decoded, all are silent, or there are too few to hold one out.
    """
    paths = find_audio(folder)
    files, clips = [], []
    for number, path in enumerate(paths):
        on_file(number, len(paths))
        clip = inspect(path)
        if not clip.finite:
            raise AudioError(f"{path}: holds NaN or infinite samples; export it again as 16-bit wav or flac")
        clips.append(clip)
        files.append(DataFile(path=_relative(path, folder), size=path.stat().st_size, sha256=_sha256(path)))
    on_file(len(paths), len(paths))
    if all(clip.rms < SILENCE_RMS for clip in clips):
        raise AudioError(f"{folder}: every clip is silent (below -50 dBFS); check how they were recorded or exported")
    if len({file.sha256 for file in files}) < 2:
        raise AudioError(f"{folder}: holds a single clip; training needs a second one to hold out for validation")
    return LocalData(folder, Manifest(files=tuple(files)), tuple(clips))


def push(store: Store, data: LocalData, on_file: OnFile = lambda done, total: None) -> str:
    """Uploads what the store does not have yet, the manifest last; returns the dataset's id."""
    dataset_id = data.manifest.dataset_id()
    stored = {info.key for info in store.list("objects/")}
    total = len(data.manifest.files)
    for number, file in enumerate(data.manifest.files):
        on_file(number, total)
        if f"objects/{file.sha256}" not in stored:
            store.upload(data.folder / file.path, f"objects/{file.sha256}")
    on_file(total, total)
    store.put(_manifest_key(dataset_id), data.manifest.model_dump_json(indent=1).encode())
    return dataset_id


def pull(store: Store, dataset_id: str, folder: Path, on_file: OnFile = lambda done, total: None) -> None:
    """Brings a dataset into a folder, every file verified by its hash; what is there already is kept.

    Raises:
        StoreError: the manifest or an object is missing or damaged.
    """
    key = _manifest_key(dataset_id)
    try:
        manifest = Manifest.model_validate_json(store.get(key))
    except ValidationError as error:
        raise StoreError(f"{key} in {store.url} is damaged: remove it and submit the data again") from error
    for number, file in enumerate(manifest.files):
        on_file(number, len(manifest.files))
        check_key(file.path)  # the manifest comes from outside: nothing may leave the folder
        target = folder / file.path
        if target.is_file() and _sha256(target) == file.sha256:
            continue
        store.download(f"objects/{file.sha256}", target)
        if _sha256(target) != file.sha256:
            target.unlink()
            raise StoreError(f"objects/{file.sha256} in {store.url} is damaged: remove it and submit the data again")
    on_file(len(manifest.files), len(manifest.files))


def _manifest_key(dataset_id: str) -> str:
    return f"datasets/{dataset_id}/manifest.json"


def _relative(path: Path, folder: Path) -> str:
    relative = path.relative_to(folder).as_posix()
    try:
        check_key(relative)
    except StoreError as error:
        raise UsageError(f"{path}: this file's name cannot be kept in a store: rename it") from error
    return relative


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
