import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import StoreProxy
from infra.store import Store, Unavailable
from job.errors import UsageError
from job.record.download import pull
from job.record.run import Run
from job.verdict.rows import collate, parse

ROWS = {
    1: [{"kind": "start", "step": 0, "time": 1}, {"kind": "validation", "step": 0, "epoch": 0, "snr_db": -0.1}],
    2: [{"kind": "start", "step": 0, "time": 2}, {"kind": "validation", "step": 9, "epoch": 1, "snr_db": 3.0}],
}


class Flaky(StoreProxy):
    """A store from which one object comes only at the second try."""

    def __init__(self, store: Store, key: str) -> None:
        super().__init__(store)
        self.key = key
        self.downloaded: list[str] = []

    def download(self, key: str, path: Path) -> None:
        if "/checkpoints/" in key:
            self.downloaded.append(key)
        if key == self.key and self.downloaded.count(key) == 1:
            raise Unavailable("the connection broke")
        self.store.download(key, path)


@pytest.fixture
def trained(run: Run, store: Store) -> Run:
    """A run of two attempts with rows, logs, samples, a checkpoint and a verdict."""
    for number, rows in ROWS.items():
        attempt = run.attempt(number)
        attempt.add_segment("metrics", 1, b"".join(json.dumps(row).encode() + b"\n" for row in rows))
        attempt.add_segment("log", 1, f"attempt {number}\n".encode())
        store.put(f"{attempt.prefix}/samples/0001/0-decoded.wav", f"sound {number}".encode())
        attempt.write("verdict.json", {"verdict": "undecided", "attempt": number})
    manifest = {"files": {"model.safetensors": {"sha256": hashlib.sha256(b"weights").hexdigest()}}}
    store.put(f"{run.attempt(1).prefix}/checkpoints/00000009/model.safetensors", b"weights")
    store.put(f"{run.attempt(1).prefix}/checkpoints/00000009/manifest.json", json.dumps(manifest).encode())
    return run


def test_a_pull_brings_everything(trained: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pulled = pull(trained, out)
    assert (pulled.samples, pulled.skipped) == (1, ())
    assert pulled.checkpoint == out / "checkpoints" / "00000009"
    assert (pulled.checkpoint / "model.safetensors").read_bytes() == b"weights"
    assert (out / "job.log").read_text() == "attempt 1\nattempt 2\n"
    assert json.loads((out / "verdict.json").read_text())["attempt"] == 2
    assert json.loads((out / "run.json").read_text())["run"] == trained.run_id
    assert (out / "samples" / "0001" / "0-decoded.wav").read_text() == "sound 2"


def test_the_pulled_rows_are_those_of_the_run(trained: Run, tmp_path: Path) -> None:
    pull(trained, tmp_path / "out")
    rows = parse((tmp_path / "out" / "metrics.jsonl").read_bytes()).rows
    assert list(rows) == trained.rows()
    assert [row.step for row in collate(rows) if row.kind == "validation"] == [0, 9]


def test_a_pull_can_be_repeated(trained: Run, tmp_path: Path) -> None:
    pull(trained, tmp_path / "out")
    trained.attempt(2).add_segment("log", 2, b"more\n")
    pull(trained, tmp_path / "out")
    assert (tmp_path / "out" / "job.log").read_text() == "attempt 1\nattempt 2\nmore\n"


def test_an_interrupted_pull_goes_on_where_it_was(trained: Run, tmp_path: Path) -> None:
    """The checkpoint's second file fails once; what was there by then is not fetched again."""
    prefix = f"{trained.attempt(1).prefix}/checkpoints/00000009"
    files = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in ("model", "trainer")}
    trained.store.put(f"{prefix}/manifest.json", json.dumps({"files": files}).encode())
    for name in files:
        trained.store.put(f"{prefix}/{name}", name.encode())
    flaky = Flaky(trained.store, f"{prefix}/trainer")
    run = Run(flaky, trained.run_id)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        pull(run, tmp_path / "out")
    assert not (tmp_path / "out" / "checkpoints" / "00000009").exists()
    for _ in range(2):
        assert pull(run, tmp_path / "out").checkpoint == tmp_path / "out" / "checkpoints" / "00000009"
    assert flaky.downloaded == [f"{prefix}/{name}" for name in ("model", "trainer", "trainer")]
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["00000009"]


def test_another_checkpoint_than_the_newest(trained: Run, tmp_path: Path) -> None:
    for step, snr_db in ((3, 7.5), (5, 8.0), (9, 2.0)):
        prefix = f"{trained.attempt(1).prefix}/checkpoints/{step:08d}"
        facts = {"sha256": hashlib.sha256(b"weights").hexdigest()}
        trained.store.put(f"{prefix}/model.safetensors", b"weights" if step != 5 else b"damaged")
        manifest = {"snr_db": snr_db, "files": {"model.safetensors": facts}}
        trained.store.put(f"{prefix}/manifest.json", json.dumps(manifest).encode())
    best = pull(trained, tmp_path / "out", "best")
    assert best.checkpoint == tmp_path / "out" / "checkpoints" / "00000003", "the next best, where the best is broken"
    assert len(best.skipped) == 1
    assert pull(trained, tmp_path / "out", 9).checkpoint == tmp_path / "out" / "checkpoints" / "00000009"
    with pytest.raises(UsageError, match="has no checkpoint of step 4; it has: 9, 5, 3"):
        pull(trained, tmp_path / "out", 4)


def test_the_best_of_none_that_is_known(trained: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint whose SNR is known"):
        pull(trained, tmp_path / "out", "best")
    assert not (tmp_path / "out").exists()


def test_a_run_that_has_made_nothing_yet(run: Run, tmp_path: Path) -> None:
    pulled = pull(run, tmp_path / "out")
    assert (pulled.checkpoint, pulled.samples) == (None, 0)
    assert not (tmp_path / "out" / "verdict.json").exists()


def test_a_folder_of_something_else_is_left_alone(trained: Run, store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("important")
    with pytest.raises(UsageError, match="is not empty and holds no earlier pull"):
        pull(trained, tmp_path / "mine")
    pull(trained, tmp_path / "other")
    (tmp_path / "other" / "run.json").write_text('{"run": "another"}')
    with pytest.raises(UsageError, match="holds no earlier pull"):
        pull(trained, tmp_path / "other")
    with pytest.raises(UsageError, match="is a file"):
        pull(trained, tmp_path / "mine" / "thesis.txt")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"file/out: cannot be written: Not a directory"):
        pull(trained, tmp_path / "file" / "out")


@pytest.mark.slow
def test_a_full_disk_is_one_line(trained: Run, tmp_path: Path, small_disk: Callable[..., list[str]]) -> None:
    script = (
        "import sys; from pathlib import Path; from infra.store import open_store\n"
        "from job.errors import UsageError; from job.record.download import pull; from job.record.run import Run\n"
        "try: pull(Run(open_store(sys.argv[2]), sys.argv[3]), Path(sys.argv[1]) / 'out')\n"
        "except UsageError as error: print(error)\n"
    )
    small = tmp_path / "small"
    small.mkdir()
    trained.attempt(2).add_segment("log", 2, bytes(1 << 20))
    command = small_disk(small, "64k", script, trained.store.url, trained.run_id)
    said = subprocess.check_output(command, text=True, timeout=120)
    assert said == f"{small / 'out'}: cannot be written: No space left on device; make room or name another folder\n"
