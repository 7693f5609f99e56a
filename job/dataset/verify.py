"""Whether a dataset in the store is what its manifest says: every shard and every clip by its hash."""

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from infra.files import sha256_of, sha256_of_part
from infra.store import NotFound, Store
from job.dataset import manifest as manifests
from job.dataset.manifest import PackedClip, Shard, object_key
from job.dataset.scan import PCM_BYTES, OnProgress

AT_ONCE = 4
MEND = "remove it and push the data again"


def verify(store: Store, dataset_id: str, on_bytes: OnProgress = lambda done, total: None) -> list[str]:
    """Reads the whole dataset; returns a line for each object that is missing or damaged.

    Raises:
        StoreError: the manifest is missing or damaged.
    """
    manifest = manifests.read_manifest(store, dataset_id)
    clips: dict[int, list[PackedClip]] = defaultdict(list)
    for clip in manifest.clips:
        clips[clip.shard].append(clip)
    problems: list[str] = []
    done = 0
    with tempfile.TemporaryDirectory(prefix="codecjob-") as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {
            pool.submit(_problem, store, shard, clips[number], Path(folder)): shard
            for number, shard in enumerate(manifest.shards)
        }
        try:
            for future in as_completed(asked):
                problem = future.result()
                problems += [problem] if problem else []
                done += asked[future].size
                on_bytes(done, manifest.size)
        finally:
            pool.shutdown(cancel_futures=True)
    return sorted(problems)


def _problem(store: Store, shard: Shard, clips: Sequence[PackedClip], folder: Path) -> str | None:
    key = object_key(shard.sha256)
    path = folder / shard.sha256
    try:
        store.download(key, path)
        if sha256_of(path) != shard.sha256:
            return f"{key} in {store.url} is damaged: {MEND}"
        with path.open("rb") as file:
            for clip in clips:
                if sha256_of_part(file.fileno(), clip.offset, clip.length * PCM_BYTES) != clip.sha256:
                    return f"{clip.name} is not where the manifest of the dataset says: push the data again"
    except NotFound:
        return f"{key} is missing in {store.url}: push the data again"
    finally:
        path.unlink(missing_ok=True)
    return None
