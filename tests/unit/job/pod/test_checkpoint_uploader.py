import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import PATIENCE_SECONDS, StoreProxy, wait_until
from infra.store import Store, StoreError, Unavailable
from job.pod import checkpoint_uploader as room
from job.pod.checkpoint_uploader import Courier
from job.record.attempt import Attempt
from job.record.run import Run


class Gate(StoreProxy):
    """A store whose uploads wait until they are let through, one permit each."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.permits = threading.Semaphore(0)
        self.uploads: list[str] = []
        self.error: Exception | None = None

    def upload(self, path: Path, key: str) -> None:
        self.uploads.append(key.rsplit("/attempts/1/", maxsplit=1)[-1])
        assert self.permits.acquire(timeout=PATIENCE_SECONDS)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.store.upload(path, key)

    def open(self) -> None:
        self.permits.release(1000)


class Desk:
    def __init__(self, run: Run, folder: Path) -> None:
        self.gate = Gate(run.store)
        self.attempt = Attempt(self.gate, run.run_id, 1)  # type: ignore[arg-type]
        self.folder = folder / "checkpoints"
        self.outbox = folder / "outbox"
        self.said: list[str] = []
        self.courier = Courier(self.attempt, self.outbox, self.said.append)
        self.courier.start()

    def save(self, step: int, finite: bool = True) -> Path:
        checkpoint = self.folder / f"{step:08d}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "model").write_bytes(b"weights %d" % step)
        (checkpoint / "manifest.json").write_text(json.dumps({"finite": finite, "files": {"model": {}}}))
        return checkpoint

    def offer(self, *checkpoints: Path, bad: bool = False) -> None:
        self.courier.offer(checkpoints, bad, None)

    def finish(self, seconds: float = PATIENCE_SECONDS) -> list[str]:
        return self.courier.finish(time.monotonic() + seconds)

    def steps(self) -> list[int]:
        return [ref.step for ref in self.attempt.checkpoints()]


@pytest.fixture
def desk(run: Run, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(run, tmp_path)
    yield desk
    desk.gate.open()


def test_what_the_trainer_prunes_meanwhile_goes_up_whole(desk: Desk, run: Run) -> None:
    saved = desk.save(10)
    desk.offer(saved)  # the loop does not wait for the store, whose gate is closed
    wait_until(lambda: desk.gate.uploads)
    shutil.rmtree(saved)
    assert desk.steps() == []
    desk.gate.open()
    assert desk.finish() == []
    assert desk.steps() == [10]
    assert run.store.get(f"{desk.attempt.prefix}/checkpoints/00000010/model") == b"weights 10"
    assert list(desk.outbox.iterdir()) == [], "the disk space is the trainer's again"


def test_files_first_and_the_manifest_last(desk: Desk) -> None:
    desk.gate.open()
    desk.offer(desk.save(10))
    assert desk.finish() == []
    assert desk.gate.uploads == ["checkpoints/00000010/model", "checkpoints/00000010/manifest.json"]


def test_a_checkpoint_goes_up_once(desk: Desk) -> None:
    desk.gate.open()
    saved = desk.save(10)
    for _ in range(3):
        desk.offer(saved)
    desk.finish()
    desk.offer(saved)
    assert desk.finish() == []
    assert len(desk.gate.uploads) == 2


def test_the_newest_goes_first_and_the_oldest_of_too_many_is_let_go(desk: Desk) -> None:
    desk.offer(desk.save(10))
    wait_until(lambda: desk.gate.uploads)
    for step in (20, 30, 40, 50):
        desk.offer(desk.save(step))
    desk.offer(desk.folder / "00000020")  # the trainer still has it
    assert sorted(path.name for path in desk.outbox.iterdir()) == ["00000010", "00000040", "00000050"]
    desk.gate.open()
    assert desk.finish() == []
    assert desk.steps() == [10, 40, 50]
    models = [name for name in desk.gate.uploads if name.endswith("model")]
    assert models == [f"checkpoints/{step:08d}/model" for step in (10, 50, 40)]
    assert desk.said[0] == "checkpoint 00000020 is not uploaded: the store is slower than the trainer"


def test_evidence_is_kept_apart(desk: Desk, run: Run) -> None:
    desk.gate.open()
    desk.offer(desk.save(10, finite=False))
    desk.offer(desk.save(20), bad=True)
    assert desk.finish() == []
    assert desk.steps() == []
    assert run.store.folders(f"{desk.attempt.prefix}/evidence/") == ["00000010", "00000020"]


def test_a_store_that_fails_is_tried_again_with_what_is_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RETRY_SECONDS", 0.01)
    desk.offer(desk.save(10))
    desk.gate.permits.release()  # the model goes through
    wait_until(lambda: len(desk.gate.uploads) == 2)
    desk.gate.error = Unavailable("the store is away")
    desk.gate.open()
    assert desk.finish() == []
    assert desk.gate.uploads == [f"checkpoints/00000010/{name}" for name in ("model", *["manifest.json"] * 2)]
    assert desk.said == ["checkpoint 00000010 cannot be uploaded now: the store is away"]
    assert desk.steps() == [10]


def test_what_is_not_up_in_time_is_named_and_is_no_checkpoint(desk: Desk) -> None:
    desk.offer(desk.save(10))
    assert desk.finish(0.05) == ["00000010"]
    assert desk.steps() == []


def test_what_nobody_has_foreseen_reaches_the_loop(desk: Desk) -> None:
    desk.gate.error = OSError("the disk is broken")
    desk.gate.open()
    desk.offer(desk.save(10))
    assert desk.finish() == ["00000010"]
    assert isinstance(desk.courier.failure, OSError)
    assert not isinstance(desk.courier.failure, StoreError)


def test_one_that_was_pruned_before_it_could_be_kept_is_nobodys(desk: Desk) -> None:
    saved = desk.save(10)
    shutil.rmtree(saved)
    desk.offer(saved)
    assert desk.finish() == []
    assert desk.gate.uploads == []
