"""What other vendors' servers and the proxies before them do to HTTP: a real server, its answers changed on the way."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.s3_proxy import ALWAYS, Answer, Proxy, Request, running_proxy
from infra.store import NotFound, StoreError, check_writable, open_store, s3_create, s3_download
from infra.store.s3 import S3Store
from infra.store.s3_download import RANGE_BYTES
from servers.rclone import running_rclone
from servers.server import STORES, S3Server, need, use

LARGE = random.Random(3).randbytes(2 * RANGE_BYTES + 12345)
SMALL = b"small " * 1000


@pytest.fixture
def proxy(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    use(radosgw, monkeypatch)
    monkeypatch.setattr(s3_download, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(s3_create, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(s3_create, "_atomic", {})
    with running_proxy(radosgw.endpoint) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: Proxy, radosgw: S3Server) -> S3Store:
    store = open_store(radosgw.new_url().replace(radosgw.endpoint, proxy.endpoint))
    assert isinstance(store, S3Store)
    return store


def without(*names: str) -> Callable[[Request, Answer], Answer]:
    """Drops headers, by the beginnings of their names."""

    def drop(_: Request, answer: Answer) -> Answer:
        status, headers, body = answer
        return status, [(name, value) for name, value in headers if not name.lower().startswith(names)], body

    return drop


def weak(_: Request, answer: Answer) -> Answer:
    """As a proxy does that compresses."""
    status, headers, body = answer
    return status, [(name, f"W/{value}" if name.lower() == "etag" else value) for name, value in headers], body


def as_200(_: Request, answer: Answer) -> Answer:
    """A range that calls itself the whole."""
    status, headers, body = answer
    return (200 if status == 206 else status), headers, body


def as_400(_: Request, answer: Answer) -> Answer:
    """A range past the end, refused in other words."""
    status, headers, body = answer
    refusal = b"<Error><Code>InvalidArgument</Code></Error>"
    return (400, [], refusal) if status == 416 else (status, headers, body)


def and_then(*changes: Callable[[Request, Answer], Answer]) -> Callable[[Request, Answer], Answer]:
    def change(request: Request, answer: Answer) -> Answer:
        for one in changes:
            answer = one(request, answer)
        return answer

    return change


ODD = {
    "no ETag": without("etag"),
    "a weak ETag": weak,
    "no Last-Modified": without("last-modified"),
    "no Content-Range": without("content-range"),
    "a range with status 200": as_200,
    "a range with status 200 and no Content-Range": and_then(as_200, without("content-range")),
    "400 for 416": as_400,
    "no metadata": without("x-amz-meta-"),
    "the bare minimum": without("etag", "last-modified", "content-range", "x-amz", "server", "date"),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_store_does_its_work_whatever_headers_say(proxy: Proxy, store: S3Store, tmp_path: Path, odd: str) -> None:
    proxy.rewrite = ODD[odd]
    (tmp_path / "large").write_bytes(LARGE)
    (tmp_path / "range").write_bytes(LARGE[:RANGE_BYTES])
    for name, data in (("empty", b""), ("small", SMALL)):
        store.put(name, data)
        assert store.get(name) == data
        store.download(name, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == data
    for name in ("large", "range"):
        store.upload(tmp_path / name, name)
        store.download(name, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == (tmp_path / name).read_bytes()
    assert store.create("created", b"first")
    assert not store.create("created", b"second")
    assert store.get("created") == b"first"
    assert [(info.key, info.size) for info in store.list("")][:2] == [("created", 5), ("empty", 0)]
    store.delete("small")
    with pytest.raises(NotFound):
        store.get("small")


def forget_range(request: Any, **_: Any) -> None:
    """The answer is the whole object, with status 200."""
    del request.headers["Range"]


def test_a_server_without_ranges_sends_everything(proxy: Proxy, store: S3Store, tmp_path: Path) -> None:
    store._client.meta.events.register("before-sign.s3.GetObject", forget_range)
    (tmp_path / "large").write_bytes(LARGE)
    store.upload(tmp_path / "large", "large")
    store.put("small", SMALL)
    proxy.inject("truncate", 2, lambda request: request.method == "GET" and request.path.endswith("/large"))
    store.download("large", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE
    assert store.get("small") == SMALL


def test_a_version_is_told_by_its_time_where_it_has_no_etag(proxy: Proxy, store: S3Store, tmp_path: Path) -> None:
    """One that is replaced while it is read, with another size, is never mixed up."""
    (tmp_path / "old").write_bytes(LARGE)
    (tmp_path / "new").write_bytes(LARGE[::-1] + b"more")
    proxy.rewrite = without("etag")
    store.upload(tmp_path / "old", "key")
    seen: list[Request] = []

    def replace(request: Request, answered: bool) -> None:
        if answered and request.method == "GET" and request.path.endswith("/key"):
            seen.append(request)
            if len(seen) == 1:
                open_store(store.url).upload(tmp_path / "new", "key")

    proxy.watch = replace
    store.download("key", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE[::-1] + b"more"


def ignore_condition(request: Any, **_: Any) -> None:
    del request.headers["If-None-Match"]


def test_a_server_that_drops_metadata_is_named(proxy: Proxy, store: S3Store) -> None:
    """Without conditional writes the mark is all that tells the winner; JuiceFS's gateway keeps none by default."""
    store._client.meta.events.register("before-sign.s3.PutObject", ignore_condition)
    proxy.rewrite = without("x-amz-meta-")
    with pytest.raises(StoreError, match=r"the server drops metadata \(x-amz-meta-\*\); turn it on there") as caught:
        store.create("runs/1/spec.json", b"{}")
    assert "\n" not in str(caught.value)
    with pytest.raises(StoreError, match=r"cannot create an object in store .*drops metadata"):
        check_writable(store)


def test_a_lost_answer_without_marks_is_not_guessed(proxy: Proxy, store: S3Store) -> None:
    """Whose object it is cannot be told then, and neither "ours" nor "theirs" is safe to say."""
    assert store.create("before", b"")
    proxy.rewrite = without("x-amz-meta-")
    proxy.inject("answer lost", chosen=lambda request: request.method == "PUT")
    with pytest.raises(StoreError, match="drops metadata"):
        store.create("key", b"ours")
    proxy.inject("answer lost", chosen=lambda request: request.method == "PUT")
    assert not store.create("key", b"theirs"), "other bytes are somebody else's"


@pytest.mark.parametrize("status", ["501 NotImplemented", "405 MethodNotAllowed", "404 NoSuchUpload"])
def test_a_server_that_cannot_list_uploads_has_none_to_sweep(proxy: Proxy, store: S3Store, status: str) -> None:
    number, code = status.split()
    body = f"<Error><Code>{code}</Code></Error>".encode()
    proxy.rewrite = lambda request, real: (int(number), [], body) if "uploads" in request.path else real
    store.put("runs/1/spec.json", b"{}")
    assert store.sweep("runs/", -60) == 0


def test_a_server_without_multipart_gets_the_whole(proxy: Proxy, store: S3Store, tmp_path: Path) -> None:
    body = b"<Error><Code>NotImplemented</Code></Error>"
    proxy.rewrite = lambda request, real: (501, [], body) if "uploads" in request.path else real
    (tmp_path / "large").write_bytes(LARGE)
    store.upload(tmp_path / "large", "large")
    store.download("large", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE


def test_a_call_that_the_server_does_not_know_is_not_tried_again_later(proxy: Proxy, store: S3Store) -> None:
    body = b"<Error><Code>NotImplemented</Code></Error>"
    proxy.rewrite = lambda request, real: (501, [], body) if "list-type" in request.path else real
    with pytest.raises(StoreError, match=r"does not know this call \(NotImplemented\); use a server that does"):
        list(store.list(""))
    assert len(proxy.requests) == 1


def test_a_delete_that_the_server_would_fail_at_is_not_asked_for(proxy: Proxy, store: S3Store) -> None:
    store.put("runs/1/spec.json", b"{}")
    proxy.inject("internal error", ALWAYS, lambda request: request.method == "DELETE")
    for key in ("missing", "runs", "runs/1/spec.json/deeper"):
        store.delete(key)
    assert not [request for request in proxy.requests if request.method == "DELETE"]


def test_an_answer_that_lacks_what_nobody_leaves_out(proxy: Proxy, store: S3Store) -> None:
    store.put("key", b"data")

    def cut(request: Request, answer: Answer) -> Answer:
        status, headers, body = answer
        if "list-type" in request.path:
            body = body.replace(b"<LastModified>", b"<Modified>").replace(b"</LastModified>", b"</Modified>")
        return status, headers, body

    proxy.rewrite = cut
    with pytest.raises(StoreError, match="the answer lacks LastModified; check that the endpoint speaks S3"):
        list(store.list(""))


def test_an_endpoint_with_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Supabase has one."""
    need(STORES, "rclone")
    with running_rclone(tmp_path, "/storage/v1/s3") as server:
        use(server, monkeypatch)
        store = open_store(server.new_url())
        check_writable(store)
        store.put("key", b"data")
        assert open_store(store.url).get("key") == b"data"
