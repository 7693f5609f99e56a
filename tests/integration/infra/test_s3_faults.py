"""A real server behind a proxy that cuts, stalls, refuses and garbles: nothing lost, nothing half taken for whole."""

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fakes.s3_proxy import ALWAYS, Kind, Proxy, Request, running_proxy
from fakes.silence import silence_without_a_clock
from helpers import wait_until
from infra.store import AccessDenied, NotFound, Store, StoreError, Unavailable, open_store, s3_client, s3_download
from infra.store.s3_download import RANGE_BYTES
from infra.store.s3_upload import PART_BYTES
from servers.server import S3Server, use

LARGE = random.Random(1).randbytes(2 * RANGE_BYTES + 12345)
SMALL = b"small " * 1000


@pytest.fixture
def proxy(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    use(radosgw, monkeypatch)
    monkeypatch.setattr(s3_client, "SILENCE_SECONDS", 600)  # only a stall is silence, however busy the machine is
    monkeypatch.setattr(s3_client, "CONNECT_SECONDS", 600)
    monkeypatch.setattr(s3_download, "PAUSE_SECONDS", 0.01)
    with running_proxy(radosgw.endpoint) as proxy, silence_without_a_clock(proxy.silent):
        yield proxy


@pytest.fixture
def stores(proxy: Proxy, radosgw: S3Server) -> tuple[Store, Store]:
    """The same place through the proxy and past it."""
    url = radosgw.new_url()
    return open_store(url.replace(radosgw.endpoint, proxy.endpoint)), open_store(url)


def is_of(method: str, *words: str) -> Callable[[Request], bool]:
    return lambda request: request.method == method and all(word in request.path for word in words)


DOWN: tuple[Kind, ...] = ("reset", "answer lost", "truncate", "corrupt", "stall", "stall in body", "slow down")
UP: tuple[Kind, ...] = ("reset", "answer lost", "upload cut", "stall", "slow down", "internal error")


@pytest.mark.parametrize("kind", DOWN)
def test_a_small_object_comes_whole_all_the_same(stores: tuple[Store, Store], proxy: Proxy, kind: Kind) -> None:
    through, past = stores
    past.put("key", SMALL)
    proxy.inject(kind)
    assert through.get("key") == SMALL


@pytest.mark.parametrize("kind", [kind for kind in DOWN if kind != "corrupt"])
def test_a_large_file_comes_whole_all_the_same(
    stores: tuple[Store, Store], proxy: Proxy, tmp_path: Path, kind: Kind
) -> None:
    through, past = stores
    (tmp_path / "source").write_bytes(LARGE)
    past.upload(tmp_path / "source", "key")
    proxy.inject(kind, times=2)
    through.download("key", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


@pytest.mark.parametrize("kind", UP)
def test_what_is_written_arrives_once_and_whole(
    stores: tuple[Store, Store], proxy: Proxy, tmp_path: Path, kind: Kind
) -> None:
    through, past = stores
    (tmp_path / "source").write_bytes(LARGE)
    for method in ("PUT", "POST"):
        proxy.inject(kind, chosen=is_of(method))
    through.upload(tmp_path / "source", "large")
    proxy.inject(kind, chosen=is_of("PUT"))
    through.put("small", SMALL)
    proxy.inject(kind, chosen=is_of("PUT"))
    assert through.create("created", SMALL), "a writer that wins by a repeated request has won"
    assert not through.create("created", b"another")
    past.download("large", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE
    assert (past.get("small"), past.get("created")) == (SMALL, SMALL)


@pytest.mark.parametrize("kind", ["truncate", "corrupt", "slow down", "reset", "stall in body"])
def test_a_fault_without_end_is_an_error_with_an_end(
    stores: tuple[Store, Store], proxy: Proxy, tmp_path: Path, kind: Kind
) -> None:
    through, past = stores
    past.put("key", SMALL)
    proxy.inject(kind, times=ALWAYS, chosen=is_of("GET"))
    with pytest.raises(Unavailable):
        through.get("key")
    with pytest.raises(Unavailable):
        through.download("key", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []
    assert len(proxy.requests) <= 2 * s3_download.TRIES * 3


@pytest.mark.parametrize("kind", ["stall", "stall in body"])
def test_the_clock_ends_silence(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    """The limit by the real clock. Every request stalls, so that a busy machine gets the same answer."""
    use(radosgw, monkeypatch)
    monkeypatch.setattr(s3_download, "PAUSE_SECONDS", 0.01)
    url = radosgw.new_url()
    open_store(url).put("key", SMALL)
    monkeypatch.setattr(s3_client, "SILENCE_SECONDS", 0.5)
    with running_proxy(radosgw.endpoint) as proxy:
        proxy.inject(kind, times=ALWAYS)
        with pytest.raises(Unavailable):
            open_store(url.replace(radosgw.endpoint, proxy.endpoint)).get("key")


@pytest.mark.parametrize("may_list", [True, False])
@pytest.mark.parametrize("kind", ["upload cut", "internal error", "reset"])
def test_an_upload_that_never_gets_through_publishes_nothing(
    stores: tuple[Store, Store], proxy: Proxy, tmp_path: Path, kind: Kind, may_list: bool
) -> None:
    through, past = stores
    (tmp_path / "source").write_bytes(LARGE)
    if not may_list:  # as a pod's session
        proxy.inject("denied", times=ALWAYS, chosen=is_of("GET", "uploads", "prefix="))
    proxy.inject(kind, times=ALWAYS, chosen=is_of("PUT", "partNumber=2"))
    with pytest.raises(Unavailable):
        through.upload(tmp_path / "source", "key")
    with pytest.raises(NotFound):
        past.get("key")
    proxy.faults.pop()
    before = len(proxy.requests)
    through.upload(tmp_path / "source", "key")
    # A part may be tried twice: the connections that were cut are still in the client's pool.
    sent = {request.path for request in proxy.requests[before:] if "partNumber=" in request.path}
    assert len(sent) < -(-len(LARGE) // PART_BYTES), "what had arrived is not sent again"
    past.download("key", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE
    assert past.sweep("", -60) == 0


def test_a_session_that_expires_halfway(stores: tuple[Store, Store], proxy: Proxy, tmp_path: Path) -> None:
    through, past = stores
    (tmp_path / "source").write_bytes(LARGE)
    expired = proxy.inject("expired", times=ALWAYS, chosen=is_of("PUT", "partNumber=3"))
    with pytest.raises(AccessDenied, match="the session has expired"):
        through.upload(tmp_path / "source", "key")
    assert ALWAYS - expired.times == 1, "it is no use to try again with the same session"
    past.upload(tmp_path / "source", "key")
    proxy.inject("expired", times=ALWAYS, chosen=lambda request: request.method == "GET" and request.number % 2 == 1)
    with pytest.raises(AccessDenied, match="the session has expired"):
        for _ in range(3):
            through.download("key", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    proxy.heal()
    through.download("key", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE


def test_an_upload_that_nobody_takes_up_is_swept(stores: tuple[Store, Store], proxy: Proxy, tmp_path: Path) -> None:
    through, past = stores
    (tmp_path / "source").write_bytes(LARGE)
    proxy.inject("expired", chosen=is_of("PUT", "partNumber=2"))
    with pytest.raises(AccessDenied):
        through.upload(tmp_path / "source", "runs/1/key")
    assert past.sweep("runs/2/", -60) == 0
    assert past.sweep("runs/", 3600) == 0, "it may still go on"
    assert past.sweep("runs/", -60) == 1
    assert past.sweep("", -60) == 0


def test_an_object_that_is_replaced_while_it_is_read(stores: tuple[Store, Store], proxy: Proxy, tmp_path: Path) -> None:
    through, past = stores
    (tmp_path / "old").write_bytes(LARGE)
    (tmp_path / "new").write_bytes(LARGE[::-1])
    past.upload(tmp_path / "old", "key")
    begun, replaced = threading.Event(), threading.Event()

    def replace(request: Request, answered: bool) -> None:
        if not answered and begun.is_set():
            assert replaced.wait(300)  # a later piece is asked for when the object is another
        if answered and not begun.is_set():
            begun.set()
            past.upload(tmp_path / "new", "key")
            replaced.set()

    proxy.watch = replace
    through.download("key", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE[::-1], "never a mixture of two versions"


def test_two_writers_of_one_key_leave_one_whole_object(stores: tuple[Store, Store], tmp_path: Path) -> None:
    contents = [LARGE, LARGE[::-1]]
    for number, data in enumerate(contents):
        (tmp_path / str(number)).write_bytes(data)

    def write(number: int) -> bool:
        try:
            open_store(stores[1].url).upload(tmp_path / str(number), "key")
        except StoreError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(write, range(2)))
    assert any(won)
    stores[1].download("key", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() in contents


def child(work: Callable[..., Any], *arguments: Any) -> multiprocessing.process.BaseProcess:
    """A process of this very program, to be killed."""
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def download(url: str, path: Path) -> None:
    s3_download.AT_ONCE = 1
    open_store(url).download("key", path)


def test_a_killed_download_goes_on_where_it_was(stores: tuple[Store, Store], proxy: Proxy, tmp_path: Path) -> None:
    through, past = stores
    (tmp_path / "source").write_bytes(LARGE)
    past.upload(tmp_path / "source", "key")
    proxy.inject("stall", chosen=lambda request: request.number == 2)
    victim = child(download, through.url, tmp_path / "copy")
    wait_until(lambda: len(proxy.requests) >= 3)
    os.kill(victim.pid or 0, signal.SIGKILL)
    victim.join(60)
    assert victim.exitcode == -signal.SIGKILL
    assert not (tmp_path / "copy").exists()
    before = len(proxy.requests)
    through.download("key", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE
    asked = proxy.requests[before:]
    assert len(asked) == 2, "one to see that it is the same object, one for the range that was missing"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]
