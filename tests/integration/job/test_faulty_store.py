"""Whole runs whose store fails again and again: training goes on, and the record is complete in the end."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fakes.s3_proxy import ALWAYS, Kind, Proxy, Request, running_proxy
from helpers import log_of
from infra.store import open_store
from job.record import checkpoints
from job.verdict.rows import collate
from servers.server import S3Server, use

FAULTS: tuple[Kind, ...] = ("reset", "answer lost", "upload cut", "truncate", "corrupt", "internal error")


@pytest.fixture
def proxy(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    use(radosgw, monkeypatch)
    with running_proxy(radosgw.endpoint) as proxy:
        yield proxy


@pytest.fixture
def faulty_desk(desk: Any, proxy: Proxy, radosgw: S3Server) -> Any:
    """A desk whose pods reach the store through the proxy, and whose tests reach it past that."""
    desk.env = {name: value for name, value in desk.env.items() if not name.startswith("AWS_")}
    url = open_store(radosgw.new_url()).url
    desk.store = open_store(url)
    desk.env |= {**radosgw.env(), "CODECJOB_STORE": url.replace(radosgw.endpoint, proxy.endpoint)}
    return desk


def every_ninth(place: int) -> Callable[[Request], bool]:
    """The requests that are spoilt by the fault of this place: each has its turn."""
    return lambda request: request.number % (9 * len(FAULTS)) == 9 * place


def test_every_ninth_request_of_a_run_fails(faulty_desk: Any, proxy: Proxy) -> None:
    desk = faulty_desk
    run = desk.submit(desk.spec(train={"num_epochs": 4}))
    faults = [proxy.inject(kind, ALWAYS, every_ninth(place)) for place, kind in enumerate(FAULTS)]
    assert desk.wait_for_end(run.attempt(1)) == "succeeded"
    proxy.heal()
    assert all(fault.times < ALWAYS for fault in faults), "each kind has happened"
    validations = [row.epoch for row in collate(run.rows()) if row.kind == "validation"]
    assert validations == [0, 1, 2, 3, 4], "no row was lost, and none came twice"
    ref, skipped = checkpoints.restore_newest(run, desk.folder / "restored")
    assert skipped == []
    assert ref is not None
    assert ref.step == max(row.step or 0 for row in run.rows())
    log = log_of(run.attempt(1))
    assert "all 4 epochs are done" in log


def test_a_store_that_takes_no_checkpoint_holds_up_neither_training_nor_judging(faulty_desk: Any, proxy: Proxy) -> None:
    desk = faulty_desk
    proxy.inject("stall", ALWAYS, lambda request: "/checkpoints/" in request.path and request.method != "GET")
    run = desk.submit(desk.spec(train={"num_epochs": 2000}))
    attempt = run.attempt(1)
    desk.wait_for(lambda: len([row for row in run.rows() if row.kind == "validation"]) > 3)
    first = desk.wait_for(attempt.beat)
    desk.wait_for(lambda: attempt.beat().time > first.time + 2)
    assert attempt.checkpoints() == []
    proxy.heal()

    # SIGTERM to the pod's first process: the last checkpoint still goes up, and then the outcome.
    (supervisor,) = desk.processes(run, "job.supervisor")
    supervisor.send_signal(signal.SIGTERM)
    assert desk.wait_for_end(attempt) == "stopped"
    newest = run.newest_checkpoint()
    assert newest is not None
    assert newest.step >= max(row.step or 0 for row in run.rows()), "the last one, saved behind the last row"
