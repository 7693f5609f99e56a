"""What datasets promise on every store, also when who pushes or pulls them is killed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.audio import pack
from codec.audio.shards import group
from helpers import CountingStore
from infra.store import open_store
from job import dataset
from job.dataset import manifest as manifests
from job.dataset.verify import verify
from servers.server import S3Server, use

RATE = 16000
SHARD_BYTES = 60_000
CLIPS = 24  # of 16 kB: eight shards or fewer

# Pushes or pulls with small shards, and dies of SIGKILL when this many of them are done; at 99 just before the end.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from codec.audio import shards
from infra.store import open_store
from job import dataset
from job.dataset import manifest

what, url, folder, dataset_id, stop_after, shard_bytes = sys.argv[1:]
push, pull = sys.modules["job.dataset.push"], sys.modules["job.dataset.pull"]
push.group = lambda members: shards.group(members, int(shard_bytes))
die = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
seen = []

def watch(done, total):
    if done and done not in seen:
        seen.append(done)
    if len(seen) == int(stop_after):
        die()

if stop_after == "99":
    manifest.write = pull.write_table = die
if what == "push":
    dataset.push(open_store(url), dataset.look_at(Path(folder), 16000), watch)
else:
    pull.AT_ONCE = 1
    dataset.pull(open_store(url), dataset_id, Path(folder), watch)
"""


KILLED = pytest.mark.parametrize("store", ["folder", "radosgw"], indirect=True)
STOPS = pytest.mark.parametrize("stop_after", [1, 99])


@pytest.fixture(params=["folder", "swift", "radosgw", "radosgw_tls"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CountingStore:
    if request.param == "folder":
        return CountingStore(open_store(str(tmp_path / "store")))
    server: S3Server = request.getfixturevalue(request.param)
    use(server, monkeypatch)
    return CountingStore(open_store(server.new_url()))


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys.modules["job.dataset.push"], "group", lambda members: group(members, SHARD_BYTES))
    folder = tmp_path / "clips"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(CLIPS):
        soundfile.write(folder / f"{number:02}.wav", random.uniform(-0.3, 0.3, 8000), RATE)
    yield folder


def push(store: CountingStore, folder: Path) -> dataset.Pushed:
    return dataset.push(store, dataset.look_at(folder, RATE))


def killed(what: str, store: CountingStore, folder: Path, dataset_id: str, stop_after: int) -> None:
    words = [what, store.url, str(folder), dataset_id, str(stop_after), str(SHARD_BYTES)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def objects(store: CountingStore) -> set[str]:
    return {info.key for info in store.list("objects/")}


def test_push_pull_verify(store: CountingStore, clips: Path, tmp_path: Path) -> None:
    pushed = push(store, clips)
    assert pushed.uploaded == len(pushed.manifest.shards) == len(objects(store)) > 4
    assert verify(store, pushed.dataset_id) == []
    dataset.pull(store, pushed.dataset_id, tmp_path / "pulled")
    assert [clip.sha256 for clip in pack(tmp_path / "pulled", tmp_path, RATE).clips] == [
        clip.sha256 for clip in pack(clips, tmp_path / "decoded", RATE).clips
    ]
    store.moved.clear()
    assert push(store, clips).uploaded == 0
    soundfile.write(clips / "new.wav", np.random.default_rng(1).uniform(-0.3, 0.3, 4000), RATE)
    more = push(store, clips)
    assert (more.uploaded, len(store.moved)) == (1, 1)
    assert more.uploaded_bytes < 10_000


@KILLED
@STOPS
def test_a_killed_push_is_harmless_and_its_work_is_used(store: CountingStore, clips: Path, stop_after: int) -> None:
    killed("push", store, clips, "", stop_after)
    assert manifests.list_datasets(store) == []
    left = objects(store)
    assert len(left) >= min(stop_after, 5)
    pushed = push(store, clips)
    assert left.isdisjoint(store.moved)
    assert left | set(store.moved) == objects(store) == pushed.manifest.objects()
    assert verify(store, pushed.dataset_id) == []


@KILLED
@STOPS
def test_a_killed_pull_is_no_dataset_and_its_work_is_used(
    store: CountingStore, clips: Path, tmp_path: Path, stop_after: int
) -> None:
    pushed = push(store, clips)
    folder = tmp_path / "pulled"
    killed("pull", store, folder, pushed.dataset_id, stop_after)
    assert not (folder / "clips.json").exists()
    store.moved.clear()
    dataset.pull(store, pushed.dataset_id, folder)
    # One may have been on its way when its successor was counted.
    assert len(store.moved) <= max(len(pushed.manifest.shards) - stop_after, 0)
    assert {path.name for path in folder.iterdir()} == {"samples.int16", "clips.json"}
    packed = pack(folder, tmp_path, RATE)
    assert [clip.name for clip in packed.clips] == [f"{number:02}.wav" for number in range(CLIPS)]
