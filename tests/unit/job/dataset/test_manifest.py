import json
from typing import Any

import pytest

from infra.store import Store, StoreError
from job.dataset import dataset_id
from job.dataset import manifest as manifests
from job.dataset.manifest import Manifest, PackedClip, Shard
from job.errors import UsageError

A, B = "a" * 64, "b" * 64
GOOD: dict[str, Any] = {
    "version": 2,
    "sample_rate": 16000,
    "shards": [{"sha256": A, "size": 2048}],
    "clips": [{"name": "a.wav", "shard": 0, "offset": 556, "length": 500, "sha256": B}],
}


def put(store: Store, name: str, document: Any) -> None:
    store.put(f"datasets/{name}/manifest.json", json.dumps(document).encode())


def test_a_manifest_comes_back_as_it_was(store: Store) -> None:
    clip = PackedClip(name="తెలుగు/a.wav", shard=0, offset=556, length=16000, sha256=B)
    manifest = Manifest(sample_rate=16000, shards=(Shard(sha256=A, size=40000),), clips=(clip,))
    manifests.write(store, "d", manifest)
    assert manifests.read_manifest(store, "d") == manifest
    assert (manifest.seconds, manifest.size, manifest.objects()) == (1.0, 40000, {f"objects/{A}"})


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3},
        {"version": 1, "files": []},
        {"sample_rate": 0},
        {"shards": []},
        {"shards": [{"sha256": "../../etc/passwd", "size": 2048}]},
        {"shards": [{"sha256": A, "size": 1000}]},
        {"clips": [GOOD["clips"][0] | {"offset": -2}]},
        {"clips": [GOOD["clips"][0] | {"offset": 557}]},
        {"clips": [GOOD["clips"][0] | {"shard": 1}]},
        {"clips": [GOOD["clips"][0] | {"length": 0}]},
        {"clips": None},
    ],
)
def test_a_damaged_manifest_is_one_line(store: Store, change: dict[str, Any]) -> None:
    put(store, "d", GOOD)
    assert manifests.read_manifest(store, "d").clips
    put(store, "d", GOOD | change)
    with pytest.raises(StoreError, match=r"^datasets/d/manifest.json in .* is damaged: push the data again$"):
        manifests.read_manifest(store, "d")


@pytest.mark.parametrize("data", [b"", b"half of a {", b"[]", b"\xff", b'{"files": []}'])
def test_what_is_no_manifest(store: Store, data: bytes) -> None:
    store.put("datasets/d/manifest.json", data)
    with pytest.raises(StoreError, match="is damaged"):
        manifests.read_manifest(store, "d")


def test_the_id_is_that_of_the_clips_in_any_order() -> None:
    clips = [("a.wav", 10, A), ("b.wav", 20, B)]
    assert dataset_id(16000, clips) == dataset_id(16000, clips[::-1])
    others = [dataset_id(8000, clips), dataset_id(16000, clips[:1]), dataset_id(16000, [("c.wav", 10, A), clips[1]])]
    assert len({dataset_id(16000, clips), *others}) == 4


def test_datasets_are_found_by_the_beginning_of_their_id(store: Store) -> None:
    for name in ("abc1", "abd2"):
        put(store, name, GOOD)
    store.put("datasets/half/other.json", b"{}")
    assert {each.id for each in manifests.list_datasets(store)} == {"abc1", "abd2"}
    assert manifests.find_dataset(store, "abc") == "abc1"
    with pytest.raises(UsageError, match="'ab' means 2 datasets"):
        manifests.find_dataset(store, "ab")
    with pytest.raises(UsageError, match=r"no dataset 'half' in .*: `codecjob data ls`"):
        manifests.find_dataset(store, "half")
