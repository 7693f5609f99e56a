"""datasets/<id>/manifest.json: which clips a dataset is made of, and in which shard of the store each of them lies."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.store import Store, StoreError
from job.errors import UsageError

Sha256 = Field(pattern=r"^[0-9a-f]{64}$")


class _Part(BaseModel):
    # A newer version may add fields; an older reader leaves them alone.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Shard(_Part):
    """An object of clips: objects/<sha256>."""

    sha256: str = Sha256
    size: int = Field(gt=0)
    """Bytes."""


@dataclass(frozen=True, slots=True)
class PackedClip:
    """One clip of a dataset. No model of pydantic's: a hundred thousand of those would take 90 MB more."""

    name: str
    """The file's path below the folder, with forward slashes."""
    shard: Annotated[int, Field(ge=0)]
    """Which of the manifest's shards."""
    offset: Annotated[int, Field(ge=0, multiple_of=2)]
    """Byte of the shard at which the samples begin: int16 in little-endian order."""
    length: Annotated[int, Field(gt=0)]
    """Samples."""
    sha256: Annotated[str, Sha256]
    """Of the samples."""


class Manifest(_Part):
    """A dataset: its clips in the order of their names, and the shards they lie in. Written after all of these."""

    version: Literal[2] = 2
    sample_rate: int = Field(gt=0)
    shards: tuple[Shard, ...]
    clips: tuple[PackedClip, ...]

    @model_validator(mode="after")
    def _clips_lie_in_shards(self) -> Self:
        sizes = [shard.size for shard in self.shards]
        for clip in self.clips:
            if clip.shard >= len(sizes) or clip.offset + 2 * clip.length > sizes[clip.shard]:
                raise ValueError(f"clip {clip.name!r} lies outside its shard")
        return self

    @property
    def seconds(self) -> float:
        """Duration of all clips."""
        return sum(clip.length for clip in self.clips) / self.sample_rate

    @property
    def size(self) -> int:
        """Bytes of all shards."""
        return sum(shard.size for shard in self.shards)

    def objects(self) -> set[str]:
        """Keys of what the dataset is made of."""
        return {object_key(shard.sha256) for shard in self.shards}


@dataclass(frozen=True)
class Dataset:
    """A dataset in the store."""

    id: str
    pushed: float
    """Unix seconds by the store's clock."""


def dataset_id(sample_rate: int, clips: Iterable[tuple[str, int, str]]) -> str:
    """The dataset of clips (name, samples, hash of the samples): equal folders at one rate are one dataset.

    Which shards the clips lie in does not matter.
    """
    text = json.dumps([sample_rate, sorted(clips)], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def object_key(sha256: str) -> str:
    """Where an object lies."""
    return f"objects/{sha256}"


def manifest_key(dataset: str) -> str:
    """Where a dataset's manifest lies."""
    return f"datasets/{dataset}/manifest.json"


def write(store: Store, dataset: str, manifest: Manifest) -> None:
    """Complete a dataset."""
    store.put(manifest_key(dataset), manifest.model_dump_json().encode())


def read_manifest(store: Store, dataset: str) -> Manifest:
    """Return a dataset's manifest. Raises `NotFound`, and `StoreError` for one that is damaged."""
    key = manifest_key(dataset)
    try:
        return Manifest.model_validate_json(store.get(key))
    except ValidationError as error:
        raise StoreError(f"{key} in {store.url} is damaged: push the data again") from error


def list_datasets(store: Store) -> list[Dataset]:
    """The complete datasets of a store, newest first."""
    return sorted(_complete(store), key=lambda dataset: dataset.pushed, reverse=True)


def find_dataset(store: Store, wanted: str) -> str:
    """The dataset of an unambiguous beginning of its id. Raises UsageError if there is none, or more than one."""
    found = [dataset.id for dataset in _complete(store)]
    matches = [wanted] if wanted in found else [each for each in found if each.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise UsageError(f"no dataset {wanted!r} in {store.url}: `codecjob data ls` lists them")
    raise UsageError(f"{wanted!r} means {len(matches)} datasets: type more of the id")


def _complete(store: Store) -> Iterator[Dataset]:
    for info in store.list("datasets/"):
        _, name, *rest = info.key.split("/")
        if rest == ["manifest.json"]:
            yield Dataset(name, info.modified)
