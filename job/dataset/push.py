"""A folder's clips into the store: what it has is named, what it lacks goes up as shards, the manifest last."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from codec.audio import AudioError, ClipInfo
from codec.audio.pack import int16_blocks
from codec.audio.shards import ChangedClipError, Member, group, offsets, write_shard
from infra.store import NotFound, Store, StoreError
from job.dataset import manifest as manifests
from job.dataset.manifest import Manifest, PackedClip, Shard, object_key
from job.dataset.scan import PCM_BYTES, LocalData, OnProgress

AT_ONCE = 4
"""Shards that are written and uploaded at a time; each takes its size on the local disk."""
KNOWN_DATASETS = 16
"""How many of the store's newest datasets are asked for clips that it has already."""
WORTH = 0.5
"""A shard of which less than this share is wanted is not worth bringing to a pod; its clips are packed anew."""


@dataclass(frozen=True)
class Pushed:
    """What a push has done."""

    dataset_id: str
    manifest: Manifest
    uploaded: int
    """Shards that went up."""
    uploaded_bytes: int


@dataclass(frozen=True)
class _Place:
    """Where a clip lies in the store."""

    shard: Shard
    offset: int


def push(store: Store, data: LocalData, on_bytes: OnProgress = lambda done, total: None) -> Pushed:
    """Brings a folder that was looked at into the store. What a killed push has left is used by the next one.

    Raises:
        AudioError: a file was changed since.
        StoreError: the store fails, or has no room.
    """
    dataset_id = data.dataset_id
    wanted = {clip.sha256: clip for clip in data.clips}
    stored = _stored_objects(store)
    before = _usable_manifest(store, dataset_id, stored)
    if before is not None:
        return Pushed(dataset_id, before, 0, 0)
    places = _known_places(store, data.sample_rate, wanted, stored)
    new = [Member(clip.sha256, clip.length) for sha256, clip in wanted.items() if sha256 not in places]
    total = sum(member.length for member in new) * PCM_BYTES
    done = uploaded = uploaded_bytes = 0
    on_bytes(done, total)
    for members, shard, sent in _pack_and_upload(store, group(new), data.sample_rate, wanted, stored):
        for member, offset in zip(members, offsets(members), strict=True):
            places[member.sha256] = _Place(shard, offset)
            done += member.length * PCM_BYTES
        uploaded += sent
        uploaded_bytes += shard.size * sent
        on_bytes(done, total)
    manifest = _manifest(data, places)
    manifests.write(store, dataset_id, manifest)
    return Pushed(dataset_id, manifest, uploaded, uploaded_bytes)


def missing(store: Store, data: LocalData) -> int:
    """Bytes of audio that a push would have to bring now."""
    wanted = {clip.sha256: clip for clip in data.clips}
    stored = _stored_objects(store)
    if _usable_manifest(store, data.dataset_id, stored) is not None:
        return 0
    places = _known_places(store, data.sample_rate, wanted, stored)
    return sum(clip.length for sha256, clip in wanted.items() if sha256 not in places) * PCM_BYTES


def _stored_objects(store: Store) -> dict[str, int]:
    """Key and size of every object."""
    return {info.key: info.size for info in store.list("objects/")}


def _usable_manifest(store: Store, dataset_id: str, stored: Mapping[str, int]) -> Manifest | None:
    """The dataset's manifest, if all that it names is there."""
    try:
        manifest = manifests.read_manifest(store, dataset_id)
    except NotFound:
        return None
    except StoreError:
        return None  # damaged: written anew
    return manifest if all(_is_stored(shard, stored) for shard in manifest.shards) else None


def _known_places(
    store: Store, sample_rate: int, wanted: Mapping[str, ClipInfo], stored: Mapping[str, int]
) -> dict[str, _Place]:
    """Where the wanted clips lie that the store's newest datasets have: those in shards that are wanted enough."""
    candidates: dict[str, dict[str, _Place]] = {}
    for dataset in manifests.list_datasets(store)[:KNOWN_DATASETS]:
        try:
            manifest = manifests.read_manifest(store, dataset.id)
        except NotFound:
            continue
        if manifest.sample_rate != sample_rate:
            continue
        good = [_is_stored(shard, stored) for shard in manifest.shards]
        for clip in manifest.clips:
            if clip.sha256 in wanted and good[clip.shard]:
                shard = manifest.shards[clip.shard]
                candidates.setdefault(shard.sha256, {})[clip.sha256] = _Place(shard, clip.offset)
    places: dict[str, _Place] = {}
    # The fullest first: what it holds makes others superfluous.
    for held in sorted(candidates.values(), key=lambda held: _bytes_of(held, wanted), reverse=True):
        more = {sha256: place for sha256, place in held.items() if sha256 not in places}
        size = next(iter(held.values())).shard.size
        if _bytes_of(more, wanted) >= WORTH * size:
            places.update(more)
    return places


def _bytes_of(places: Mapping[str, _Place], wanted: Mapping[str, ClipInfo]) -> int:
    return sum(wanted[sha256].length for sha256 in places) * PCM_BYTES


def _is_stored(shard: Shard, stored: Mapping[str, int]) -> bool:
    return stored.get(object_key(shard.sha256)) == shard.size


def _pack_and_upload(
    store: Store,
    groups: Sequence[list[Member]],
    sample_rate: int,
    wanted: Mapping[str, ClipInfo],
    stored: Mapping[str, int],
) -> Iterator[tuple[list[Member], Shard, bool]]:
    """Each group as the shard that it is now in the store, and whether it had to go up."""

    def read(member: Member) -> Iterator[bytes]:
        return (block.tobytes() for block in int16_blocks(wanted[member.sha256].path, sample_rate))

    def bring(number: int, folder: Path) -> tuple[Shard, bool]:
        path = folder / f"{number}.tar"
        try:
            sha256 = write_shard(path, groups[number], sample_rate, read)
            shard = Shard(sha256=sha256, size=path.stat().st_size)
            missing = not _is_stored(shard, stored)
            if missing:
                store.upload(path, object_key(sha256))
        except ChangedClipError as error:
            place = wanted[error.member.sha256].path
            raise AudioError(f"{place}: was changed while it was being packed; start again") from error
        except OSError as error:
            raise AudioError(
                f"{error.filename or path}: cannot be packed ({error.strerror}); make room or set TMPDIR"
            ) from error
        finally:
            path.unlink(missing_ok=True)
        return shard, missing

    with tempfile.TemporaryDirectory(prefix="codecjob-") as name:
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="push")
        try:
            asked = {pool.submit(bring, number, Path(name)): group for number, group in enumerate(groups)}
            for future in as_completed(asked):
                yield asked[future], *future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _manifest(data: LocalData, places: Mapping[str, _Place]) -> Manifest:
    """The clips in the folder's order; the shards in the order in which clips first need them."""
    number: dict[Shard, int] = {}
    clips = []
    for clip in data.clips:
        place = places[clip.sha256]
        shard = number.setdefault(place.shard, len(number))
        clips.append(
            PackedClip(name=data.name(clip), shard=shard, offset=place.offset, length=clip.length, sha256=clip.sha256)
        )
    return Manifest(sample_rate=data.sample_rate, shards=tuple(number), clips=tuple(clips))
