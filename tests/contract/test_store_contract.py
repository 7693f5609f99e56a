"""What every store promises. A new store joins by one more parameter of the fixture `store`."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from fakes.memory_store import MemoryStore
from infra.store import InvalidKey, NotFound, Store, check_writable, open_store
from servers.server import S3Server, use


@pytest.fixture(params=["folder", "memory", "swift", "radosgw", "radosgw_tls", "seaweedfs", "rclone"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    if request.param == "memory":  # what the histories of tests/unit/job/test_no_orphan.py are kept in
        memory = MemoryStore("contract")
        monkeypatch.setattr(request.module, "open_store", lambda url: memory)
        return memory
    server: S3Server = request.getfixturevalue(request.param)
    use(server, monkeypatch)
    return open_store(server.new_url())


def keys(store: Store, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def test_put_replaces_what_was_there(store: Store) -> None:
    store.put("runs/1/beat.json", b"a longer first version")
    store.put("runs/1/beat.json", b"second")
    assert store.get("runs/1/beat.json") == b"second"


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.put("empty", b"")
    assert store.get("empty") == b""
    assert [info.size for info in store.list("")] == [0]


def test_create_keeps_the_first(store: Store) -> None:
    assert store.create("runs/1/spec.json", b"first")
    assert not store.create("runs/1/spec.json", b"second")
    assert store.get("runs/1/spec.json") == b"first"


def test_of_racing_creators_exactly_one_wins(store: Store) -> None:
    racers = 8
    barrier = threading.Barrier(racers)

    def race(number: int) -> bool:
        barrier.wait(60)
        return store.create(f"race/{round_}", str(number).encode())

    with ThreadPoolExecutor(racers) as pool:
        for round_ in range(10):
            won = list(pool.map(race, range(racers)))
            assert won.count(True) == 1
            assert store.get(f"race/{round_}") == str(won.index(True)).encode()


def test_a_reader_never_sees_a_half_written_object(store: Store) -> None:
    versions = [bytes([number]) * (1 << 20) for number in range(2)]
    store.put("beat", versions[0])
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            store.put("beat", versions[number % 2])
        done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not done.is_set() and not writing.done():
            assert store.get("beat") in versions
        writing.result(60)


@pytest.mark.parametrize("key", ["missing", "runs/missing/spec.json", "runs", "runs/1/spec.json/deeper"])
def test_what_is_not_there_is_not_found(store: Store, tmp_path: Path, key: str) -> None:
    store.put("runs/1/spec.json", b"{}")
    with pytest.raises(NotFound, match=key):
        store.get(key)
    with pytest.raises(NotFound, match=key):
        store.download(key, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    store.delete(key)
    assert store.get("runs/1/spec.json") == b"{}"


def test_list_is_sorted_by_whole_key(store: Store) -> None:
    names = ["a", "a-b", "b-/x", "b/c", "b/c-d/e", "b/d", "b0", "తెలుగు/౧"]
    for name in reversed(names):
        store.put(name, name.encode())
    assert keys(store) == names == sorted(names)
    assert keys(store, "b/") == ["b/c", "b/c-d/e", "b/d"]
    assert keys(store, "missing/") == []
    assert keys(store, "a/") == []


def test_list_tells_size_and_time(store: Store) -> None:
    store.put("first", b"12345")
    store.put("second", b"")
    first, second = store.list("")
    assert (first.size, second.size) == (5, 0)
    assert 1.7e9 < first.modified <= second.modified


def test_objects_may_go_while_they_are_listed(store: Store) -> None:
    for number in range(4):
        store.put(f"runs/{number}/spec.json", b"{}")
    listing = store.list("runs/")
    assert [info.key for info in islice(listing, 1)] == ["runs/0/spec.json"]
    for number in range(1, 4):
        store.delete(f"runs/{number}/spec.json")
    assert {info.key for info in listing} <= {f"runs/{number}/spec.json" for number in range(1, 4)}


def test_folders_names_only_children_with_objects(store: Store) -> None:
    for key in ["runs/b/spec.json", "runs/a/attempts/1/intent.json", "runs/a/spec.json", "runs/file", "other"]:
        store.put(key, b"{}")
    assert store.folders("runs/") == ["a", "b"]
    assert store.folders("") == ["runs"]
    assert store.folders("missing/") == []
    store.delete("runs/b/spec.json")
    assert store.folders("runs/") == ["a"]


def test_delete_is_idempotent(store: Store) -> None:
    store.put("a/b", b"")
    store.delete("a/b")
    store.delete("a/b")
    assert keys(store) == []


def test_files_travel_whole_in_constant_memory(store: Store, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "new" / "folder" / "copy"
    with source.open("wb") as file:
        for number in range(32):
            file.write(bytes([number]) * (1 << 20))
    tracemalloc.start()
    try:
        store.upload(source, "objects/big")
        store.download("objects/big", copy)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert copy.read_bytes() == source.read_bytes()
    assert peak < source.stat().st_size / 2 or store.url.startswith("memory:")
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_download_replaces_a_file(store: Store, tmp_path: Path) -> None:
    store.put("new", b"new")
    (tmp_path / "copy").write_bytes(b"an older, longer file")
    store.download("new", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"new"


def test_local_trouble_is_no_trouble_of_the_store(store: Store, tmp_path: Path) -> None:
    store.put("key", b"")
    with pytest.raises(FileNotFoundError):
        store.upload(tmp_path / "missing", "key")
    with pytest.raises(OSError, match="directory"):
        store.download("key", tmp_path)


def test_bad_keys_are_refused_by_every_method(store: Store, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"")
    for call in (
        lambda: store.put("../out", b""),
        lambda: store.create("/out", b""),
        lambda: store.get("a//b"),
        lambda: store.list("no-slash"),
        lambda: store.folders("../"),
        lambda: store.upload(tmp_path / "source", ""),
        lambda: store.download("a/./b", tmp_path / "copy"),
        lambda: store.delete("a\\b"),
    ):
        with pytest.raises(InvalidKey):
            call()


def test_its_url_opens_the_same_store(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store.put("key", b"data")
    monkeypatch.chdir(tmp_path)
    again = open_store(store.url)
    assert again.get("key") == b"data"
    assert again.url == store.url


def test_check_writable_leaves_nothing(store: Store) -> None:
    check_writable(store)
    assert keys(store) == []


def test_a_sweep_takes_no_object(store: Store) -> None:
    store.put("runs/1/spec.json", b"{}")
    store.sweep("", -60)
    assert store.get("runs/1/spec.json") == b"{}"
    with pytest.raises(InvalidKey):
        store.sweep("runs", 0)
