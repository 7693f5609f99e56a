"""A dataset from the store into a folder that the trainer maps: its shards one behind the other in one file.

Nothing is decoded and nothing is unpacked. Shards come in parallel, each is verified by its hash. After a kill, what
is there and whole is kept: the file itself is the account of it.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

from codec.audio import Clip
from codec.audio.pack import SAMPLES, TABLE, write_table
from infra.files import sha256_of_part
from infra.store import NotFound, Store, StoreError
from job.dataset import manifest as manifests
from job.dataset.manifest import Manifest, Shard, object_key
from job.dataset.scan import PCM_BYTES, OnProgress

AT_ONCE = 8
"""Shards on their way at a time; each takes its size on the disk a second time."""
LOOK_SECONDS = 1.0
"""How often the caller hears of it, also while nothing is finished."""
_CHUNK = 1 << 20


def pull(store: Store, dataset_id: str, folder: Path, on_bytes: OnProgress = lambda done, total: None) -> None:
    """Brings a dataset into a folder; afterwards `codec.audio` opens it as packed audio. What is there is kept.

    `on_bytes` is called at least every second; what it raises ends the pull.

    Raises:
        StoreError: the manifest or a shard is missing or damaged, or the folder cannot be written.
    """
    manifest = manifests.read_manifest(store, dataset_id)
    try:
        _pull(store, manifest, folder, on_bytes)
    except OSError as error:
        raise StoreError(f"{folder}: the data cannot be kept there ({error.strerror}); make room") from error


def _pull(store: Store, manifest: Manifest, folder: Path, on_bytes: OnProgress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TABLE).unlink(missing_ok=True)  # until all is there and verified
    incoming = folder / ".incoming"  # halves of shards stay there for the next try
    starts = [0, *accumulate(shard.size for shard in manifest.shards)]
    with _opened(folder / SAMPLES, manifest.size) as (file, is_new):

        def bring(shard: Shard, start: int) -> None:
            if is_new or sha256_of_part(file, start, shard.size) != shard.sha256:
                _fetch(store, shard, incoming / shard.sha256, file, start)

        _bring_all(bring, manifest.shards, starts, on_bytes)
        os.fsync(file)
    shutil.rmtree(incoming, ignore_errors=True)
    clips = [
        Clip(clip.name, (starts[clip.shard] + clip.offset) // PCM_BYTES, clip.length, clip.sha256)
        for clip in manifest.clips
    ]
    write_table(folder, clips, manifest.sample_rate)


@contextmanager
def _opened(path: Path, size: int) -> Iterator[tuple[int, bool]]:
    """(descriptor, whether it was not there before) of a file of this size."""
    is_new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(file, size)
        yield file, is_new
    finally:
        os.close(file)


def _bring_all(
    bring: Callable[[Shard, int], None], shards: Sequence[Shard], starts: Sequence[int], on_bytes: OnProgress
) -> None:
    total = sum(shard.size for shard in shards)
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pull")
    try:
        # `starts` has one more: the end.
        sizes = {pool.submit(bring, shard, start): shard.size for shard, start in zip(shards, starts, strict=False)}
        waiting, done = set(sizes), 0
        on_bytes(done, total)
        while waiting:
            finished, waiting = wait(waiting, LOOK_SECONDS, FIRST_COMPLETED)
            for future in finished:
                future.result()
                done += sizes[future]
            on_bytes(done, total)
    finally:
        # Nobody may still write there when the next try begins.
        pool.shutdown(cancel_futures=True)


def _fetch(store: Store, shard: Shard, path: Path, file: int, start: int) -> None:
    """Download a shard and put it at its place in the file, if it is what its name says."""
    key = object_key(shard.sha256)
    again = "remove it and push the data again"
    try:
        store.download(key, path)
    except NotFound as error:
        raise StoreError(f"{key} is missing in {store.url}: push the data again") from error
    try:
        if path.stat().st_size != shard.size:
            raise StoreError(f"{key} in {store.url} is damaged: {again}")
        content = hashlib.sha256()
        with path.open("rb") as source:
            at = start
            while chunk := source.read(_CHUNK):
                content.update(chunk)
                at += _write(file, chunk, at)
        if content.hexdigest() != shard.sha256:
            raise StoreError(f"{key} in {store.url} is damaged: {again}")
    finally:
        path.unlink(missing_ok=True)


def _write(file: int, data: bytes, at: int) -> int:
    written = 0
    while written < len(data):
        written += os.pwrite(file, data[written:], at + written)
    return written
