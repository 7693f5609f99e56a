"""kill -9 of the writer at every stage of publishing rows and a checkpoint into a real bucket."""

import hashlib
import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.s3_proxy import Proxy, Request, running_proxy
from infra.store import Store, open_store, s3_upload
from job.pod.checkpoint_uploader import Courier
from job.pod.shipper import Shipper
from job.record import checkpoints
from job.record.run import Run
from job.verdict.rows import collate
from servers.server import S3Server, use

PROCESSES = multiprocessing.get_context("fork")
FILES = {"model.safetensors": random.Random(0).randbytes((5 << 20) + 1000), "trainer.pt": b"state" * 100}
ROWS = 5


@pytest.fixture
def proxy(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    use(radosgw, monkeypatch)
    monkeypatch.setattr(s3_upload, "PART_BYTES", 5 << 20)  # the least that S3 takes: the model goes up in two parts
    with running_proxy(radosgw.endpoint) as proxy:
        yield proxy


def save(folder: Path, step: int) -> Path:
    checkpoint = folder / f"{step:08d}"
    checkpoint.mkdir(parents=True)
    for name, data in FILES.items():
        (checkpoint / name).write_bytes(data)
    facts = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in FILES.items()}
    (checkpoint / "manifest.json").write_text(json.dumps({"step": step, "finite": True, "files": facts}))
    return checkpoint


def publish(url: str, run_id: str, folder: Path) -> None:
    """What an agent's threads do with a finished checkpoint and new rows."""
    attempt = Run(open_store(url), run_id).attempt(1)
    Shipper(attempt, folder, folder / "job.log", 1).ship_rows(at_once=True)
    courier = Courier(attempt, folder / "outbox", print)
    courier.start()
    courier.offer([folder / "checkpoints" / "00000010"], bad=False, restored=None)
    assert courier.finish(time.monotonic() + 60) == []


def publish_until(proxy: Proxy, stage: int | None, answered: bool, *arguments: object) -> int:
    """Publishes in a process of its own, killed at a request; returns how many requests there were."""
    begun, go = len(proxy.requests), PROCESSES.Event()

    def work() -> None:
        assert go.wait(60)
        publish(*arguments)  # type: ignore[arg-type]

    writer = PROCESSES.Process(target=work, daemon=True)  # else the end of the tests waits for one that hangs
    writer.start()
    assert writer.pid is not None

    def kill(request: Request, has_answer: bool) -> None:
        if stage is not None and (request.number - begun, has_answer) == (stage, answered):
            os.kill(writer.pid or 0, signal.SIGKILL)

    proxy.watch = kill
    go.set()
    writer.join(60)
    proxy.watch = None
    if writer.is_alive():
        writer.kill()
        writer.join(60)
        pytest.fail("the writer did not end within a minute")
    assert writer.exitcode == (0 if stage is None else -signal.SIGKILL)
    return len(proxy.requests) - begun


def check(run: Run, folder: Path) -> set[int]:
    """The steps of the complete checkpoints, each of which has to be what it says."""
    restored, skipped = checkpoints.restore_newest(run, folder)
    assert skipped == []
    assert restored is not None
    return {ref.step for ref in run.checkpoints()}


def new_run(store: Store, number: int, tmp_path: Path) -> tuple[Run, Path]:
    """A run with a checkpoint of step 5 in the store, and rows and one of step 10 on the disk."""
    run, folder = Run(store, f"tiny-20260101-000000-{number:04x}"), tmp_path / str(number)
    assert checkpoints.upload(run.attempt(1), save(folder / "older", 5), "checkpoints")
    save(folder / "checkpoints", 10)
    lines = [json.dumps({"kind": "train", "step": step}) + "\n" for step in range(ROWS)]
    (folder / "metrics.jsonl").write_text("".join(lines))
    return run, folder


def test_a_killed_writer_leaves_what_was_whole_and_its_successor_finishes(
    proxy: Proxy, radosgw: S3Server, tmp_path: Path
) -> None:
    url = radosgw.new_url()
    store, through = open_store(url), url.replace(radosgw.endpoint, proxy.endpoint)
    run, folder = new_run(store, 0, tmp_path)
    stages = publish_until(proxy, None, False, through, run.run_id, folder)
    assert check(run, tmp_path / "restored-0") == {5, 10}
    seen: set[frozenset[int]] = set()
    # Before the server has each request, and when it has answered the last one.
    for number, (stage, answered) in enumerate([*((s, False) for s in range(stages)), (stages - 1, True)], 1):
        run, folder = new_run(store, number, tmp_path)
        publish_until(proxy, stage, answered, through, run.run_id, folder)
        complete = check(run, folder / "restored")
        assert complete in ({5}, {5, 10})
        seen.add(frozenset(complete))
        assert [row.step for row in run.rows()] in ([], list(range(ROWS)))

        publish(url, run.run_id, folder)
        assert check(run, folder / "restored") == {5, 10}
        assert [row.step for row in collate(run.rows())] == list(range(ROWS))
    assert len(seen) == 2, "it was killed before the manifest, and after it"
