"""The run's audio in the store: content-addressed objects and a manifest, pushed by the client, pulled by the agent."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from codec.audio import AudioError, ClipInfo, find_audio, inspect
from infra.store import Store, StoreError
from infra.store.keys import check_key
from job.hashing import sha256_of

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
class BrokenClip:
    """A file that cannot be trained on, and why: what is wrong; how to mend it."""

    name: str
    complaint: str


@dataclass(frozen=True)
class LocalData:
    """A folder of audio that has been looked at whole. `clips` and the manifest leave the broken ones out."""

    folder: Path
    manifest: Manifest
    clips: tuple[ClipInfo, ...]
    broken: tuple[BrokenClip, ...]

    @property
    def seconds(self) -> float:
        """Duration of all clips."""
        return sum(clip.seconds for clip in self.clips)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.manifest.files)

    def name(self, clip: ClipInfo) -> str:
        """The clip's path below the folder."""
        return clip.path.relative_to(self.folder).as_posix()


def look_at(folder: Path, sample_rate: int | None = None, on_file: OnFile = lambda done, total: None) -> LocalData:
    """Decodes every clip of a folder once, measures and hashes it, so that no run fails over its data on paid time.

    `sample_rate` is the trainer's: the clips' lengths and hashes are then those that it will see.

    Raises:
        AudioError: there is no such folder, or no audio in it.
    """
    paths = find_audio(folder)
    files, clips, broken = [], [], []
    for number, path in enumerate(paths):
        on_file(number, len(paths))
        name = path.relative_to(folder).as_posix()
        try:
            clip = _usable(path, name, sample_rate)
        except AudioError as error:
            broken.append(BrokenClip(name, str(error).removeprefix(f"{path}: ")))
            continue
        clips.append(clip)
        files.append(_data_file(path, folder))
    on_file(len(paths), len(paths))
    return LocalData(folder, Manifest(files=tuple(files)), tuple(clips), tuple(broken))


def list_files(folder: Path) -> Manifest:
    """The folder's manifest without a look at what its files hold."""
    return Manifest(files=tuple(_data_file(path, folder) for path in find_audio(folder)))


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
        if target.is_file() and sha256_of(target) == file.sha256:
            continue
        store.download(f"objects/{file.sha256}", target)
        if sha256_of(target) != file.sha256:
            target.unlink()
            raise StoreError(f"objects/{file.sha256} in {store.url} is damaged: remove it and submit the data again")
    on_file(len(manifest.files), len(manifest.files))


def _manifest_key(dataset_id: str) -> str:
    return f"datasets/{dataset_id}/manifest.json"


def _data_file(path: Path, folder: Path) -> DataFile:
    return DataFile(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=sha256_of(path))


def _usable(path: Path, name: str, sample_rate: int | None) -> ClipInfo:
    try:
        check_key(name)
    except StoreError:
        raise AudioError(f"{path}: has a name that cannot be kept in a store; rename it") from None
    clip = inspect(path, sample_rate)
    if not clip.finite:
        raise AudioError(f"{path}: holds NaN or infinite samples; export it again as 16-bit wav or flac")
    return clip
