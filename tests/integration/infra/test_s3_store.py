"""What only a bucket can do wrong, on real servers."""

import io
import random
import select
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from urllib3 import HTTPResponse

from infra.store import AccessDenied, NotFound, Store, StoreError, Unavailable, open_store, s3_create
from infra.store.s3 import S3Store
from infra.store.s3_upload import PART_BYTES
from servers.server import S3Server, use


@pytest.fixture(params=["swift", "radosgw", "radosgw_tls"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    use(found, monkeypatch)
    return found


@pytest.fixture
def store(server: S3Server) -> Store:
    return open_store(server.new_url())


def calls(store: Store, tmp_path: Path) -> dict[str, Callable[[], Any]]:
    """Every method of a store, to be called with a key of its own."""
    (tmp_path / "file").write_bytes(b"")
    return {
        "put": lambda: store.put("key", b""),
        "create": lambda: store.create("key", b""),
        "get": lambda: store.get("key"),
        "list": lambda: list(store.list("")),
        "folders": lambda: store.folders(""),
        "upload": lambda: store.upload(tmp_path / "file", "key"),
        "download": lambda: store.download("key", tmp_path / "copy"),
    }


def refused(store: Store, tmp_path: Path, secrets: tuple[str, ...]) -> dict[str, StoreError]:
    """The error of every method, one line each, without a secret."""
    errors = {}
    for name, call in calls(store, tmp_path).items():
        with pytest.raises(StoreError) as caught:
            call()
        text = str(caught.value)
        assert "\n" not in text
        assert not any(secret in text + repr(caught.value) + repr(store) + store.url for secret in secrets), text
        errors[name] = caught.value
    return errors


def test_a_bucket_that_is_not_there(server: S3Server, tmp_path: Path) -> None:
    store = open_store(f"s3://no-such-bucket?endpoint={server.endpoint}")
    errors = refused(store, tmp_path, (server.secret,))
    assert {type(error) for error in errors.values()} == {StoreError}
    assert all("there is no such bucket (NoSuchBucket)" in str(error) for error in errors.values())


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_credentials_that_the_server_refuses(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "of-somebody-else")
    errors = refused(open_store(server.new_url()), tmp_path, (server.secret, "of-somebody-else"))
    assert {type(error) for error in errors.values()} == {AccessDenied}


def test_no_credentials_at_all(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    errors = refused(open_store(server.new_url()), tmp_path, (server.secret,))
    assert all(isinstance(error, AccessDenied) for error in errors.values())
    assert all("no credentials were found; set AWS_ACCESS_KEY_ID" in str(error) for error in errors.values())


def test_a_bucket_of_somebody_else_names_the_action(stranger: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(stranger, monkeypatch)
    store = open_store(stranger.new_url())
    for call, action in (
        (lambda: store.put("key", b""), "s3:PutObject"),
        (lambda: store.get("key"), "s3:GetObject"),
        (lambda: list(store.list("")), "s3:ListBucket"),
        (lambda: store.delete("key"), "s3:DeleteObject"),
    ):
        with pytest.raises(AccessDenied, match=rf"grant them {action} there"):
            call()


def test_an_endpoint_where_nobody_listens(monkeypatch: pytest.MonkeyPatch, radosgw: S3Server) -> None:
    use(radosgw, monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for endpoint in (f"http://127.0.0.1:{port}", "https://host-of-nobody.invalid"):
        with pytest.raises(Unavailable, match="the endpoint cannot be reached; check the network, and the endpoint"):
            open_store(f"s3://bucket?endpoint={endpoint}").get("key")


def test_a_certificate_that_nobody_vouches_for(radosgw_tls: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(radosgw_tls, monkeypatch)
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(StoreError, match=r"certificate is not trusted; .*AWS_CA_BUNDLE") as caught:
        open_store(radosgw_tls.new_url()).get("key")
    assert not isinstance(caught.value, Unavailable)


def test_place_and_credentials_from_the_config_files(
    radosgw: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(radosgw, monkeypatch)
    config = tmp_path / "config"
    keys = f"aws_access_key_id = {radosgw.key}\naws_secret_access_key = {radosgw.secret}\n"
    config.write_text(f"[profile tests]\nendpoint_url = {radosgw.endpoint}\nregion = eu-central-1\n{keys}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    store = open_store(f"s3://{radosgw.bucket}/by-profile?profile=tests")
    store.put("key", b"data")
    monkeypatch.setenv("AWS_PROFILE", "tests")
    assert open_store(f"s3://{radosgw.bucket}/by-profile").get("key") == b"data"
    with pytest.raises(StoreError, match="no such profile; mend AWS_PROFILE"):
        open_store("s3://bucket?profile=missing")


def test_racing_creates_from_processes_have_one_winner(store: Store) -> None:
    script = (
        "import sys; from infra.store import open_store; store = open_store(sys.argv[1]); print('ready', flush=True);"
        "sys.stdin.readline(); print(store.create('race', sys.argv[2].encode()))"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", script, store.url, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert select.select([racer.stdout], [], [], 60)[0], "a racer does not get ready"
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=120)[0].strip() for racer in racers]
    assert sorted(said) == ["False", "False", "False", "True"]
    assert store.get("race") == str(said.index("True")).encode()


@pytest.mark.parametrize(("name", "atomic"), [("swift", False), ("radosgw", True)])
def test_what_a_server_makes_of_conditions_is_found_out(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, name: str, atomic: bool
) -> None:
    server: S3Server = request.getfixturevalue(name)
    use(server, monkeypatch)
    monkeypatch.setattr(s3_create, "_atomic", {})
    assert open_store(server.new_url()).create("key", b"")
    assert s3_create._atomic == {(server.endpoint, server.bucket): atomic}


def ignore_condition(request: Any, **_: Any) -> None:
    del request.headers["If-None-Match"]


def refuse_condition(request: Any, **_: Any) -> AWSResponse | None:
    if "If-None-Match" not in request.headers:
        return None
    return answer(request.url, 501, "NotImplemented")


def answer(url: str, status: int, code: str) -> AWSResponse:
    body = io.BytesIO(f"<Error><Code>{code}</Code></Error>".encode())
    return AWSResponse(url, status, HeadersDict(), HTTPResponse(body, preload_content=False))


@pytest.mark.parametrize(
    ("event", "behaviour"),
    [("before-sign.s3.PutObject", ignore_condition), ("before-send.s3.PutObject", refuse_condition)],
)
def test_of_racing_creators_one_wins_without_conditions(
    radosgw: S3Server, monkeypatch: pytest.MonkeyPatch, event: str, behaviour: Callable[..., Any]
) -> None:
    use(radosgw, monkeypatch)
    monkeypatch.setattr(s3_create, "_atomic", {})
    store = open_store(radosgw.new_url())
    assert isinstance(store, S3Store)
    store._client.meta.events.register(event, behaviour)
    store.put("taken", b"first")
    assert not store.create("taken", b"second")
    assert store.get("taken") == b"first"

    barrier = threading.Barrier(6)

    def race(number: int) -> bool:
        barrier.wait(60)
        return store.create("race", str(number).encode())

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(race, range(6)))
    assert won.count(True) == 1
    assert store.get("race") == str(won.index(True)).encode()
    assert not any(s3_create._atomic.values())


def test_a_write_whose_answer_was_lost_is_nobody_elses(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(radosgw, monkeypatch)
    monkeypatch.setattr(s3_create, "_atomic", {})
    with cutting(radosgw, after=0) as (endpoint, cut_next):
        store = open_store(radosgw.new_url().replace(radosgw.endpoint, endpoint))
        assert store.create("before", b"")  # from here on conditions are known to hold
        cut_next.set()
        assert store.create("key", b"ours")
        assert not cut_next.is_set()
        assert not store.create("key", b"theirs")


@contextmanager
def cutting(server: S3Server, after: int) -> Iterator[tuple[str, threading.Event]]:
    """A relay to a server that, once the event is set, ends its next good answer after some bytes."""
    behind = ("127.0.0.1", int(server.endpoint.rpartition(":")[2]))
    cut_next = threading.Event()

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(behind) as origin:
                ends = [self.request, origin]
                while True:
                    for end in select.select(ends, [], [])[0]:
                        data = end.recv(1 << 16)
                        if not data:
                            return
                        if end is origin and cut_next.is_set() and data.startswith(b"HTTP/1.1 200"):
                            cut_next.clear()
                            self.request.sendall(data[:after])
                            return
                        (origin if end is self.request else self.request).sendall(data)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Relay) as relay:
        thread = threading.Thread(target=relay.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{relay.server_address[1]}", cut_next
        finally:
            relay.shutdown()
            thread.join(60)


def test_a_listing_of_many_pages(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(radosgw, monkeypatch)
    store = open_store(radosgw.new_url())
    assert isinstance(store, S3Store)
    wanted = sorted([f"many/{number}/x" for number in range(600)] + [f"many/{number}" for number in range(1000, 1500)])
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"1"), wanted))
    pages: list[str] = []
    store._client.meta.events.register("before-send.s3.ListObjectsV2", lambda **_: pages.append(""))
    assert [info.key for info in islice(store.list("many/"), 3)] == wanted[:3]
    assert len(pages) == 1, "pages are fetched as they are needed"
    assert [info.key for info in store.list("many/")] == wanted
    assert len(pages) == 3
    assert store.folders("many/") == sorted(str(number) for number in range(600))


def test_a_large_file_travels_in_equal_parts(store: Store, server: S3Server, tmp_path: Path) -> None:
    assert isinstance(store, S3Store)
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(random.Random(0).randbytes(PART_BYTES + (5 << 20) + 1))
    sizes: list[int] = []
    store._client.meta.events.register(
        "before-send.s3.UploadPart", lambda request, **_: sizes.append(int(request.headers["Content-Length"]))
    )
    store.upload(source, "big")
    store.download("big", copy)
    assert sorted(sizes) == [(5 << 20) + 1, PART_BYTES]
    assert copy.read_bytes() == source.read_bytes()


def test_an_upload_that_failed_is_taken_up_where_it_was(
    radosgw: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(radosgw, monkeypatch)
    store = open_store(radosgw.new_url())
    assert isinstance(store, S3Store)
    source = tmp_path / "source"
    source.write_bytes(random.Random(0).randbytes(2 * PART_BYTES))
    sent: list[str] = []

    def refuse(request: Any, **_: Any) -> AWSResponse | None:
        return answer(request.url, 403, "AccessDenied") if "partNumber=2" in request.url else None

    store._client.meta.events.register("before-send.s3.UploadPart", refuse)
    with pytest.raises(AccessDenied, match="s3:PutObject"):
        store.upload(source, "big")
    with pytest.raises(NotFound):
        store.get("big")
    store._client.meta.events.unregister("before-send.s3.UploadPart", refuse)
    store._client.meta.events.register("before-send.s3.UploadPart", lambda request, **_: sent.append(request.url))
    store.upload(source, "big")
    assert len(sent) == 1
    assert "partNumber=2" in sent[0]
    store.download("big", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert store.sweep("", -60) == 0, "nothing is left behind"


def test_odd_but_legal_keys(store: Store) -> None:
    keys = sorted(
        [
            "a b",
            "a+b",
            "a%20b",
            "a&b=c",
            "a?b#c",
            "a'b\"c",
            "<xml>&amp;",
            "తెలుగు",
            "é",
            "e\u0301",
            "🎧",
            "ab:c",
            "~",
            "x" * 255,
        ]
    )
    for key in keys:
        store.put(f"odd/{key}", key.encode())
    assert [info.key for info in store.list("odd/")] == [f"odd/{key}" for key in keys]
    for key in keys:
        assert store.get(f"odd/{key}") == key.encode()
        store.put(f"folders/{key}/x", b"")
    assert store.folders("folders/") == keys


def test_objects_of_others_are_not_listed(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(radosgw, monkeypatch)
    store = open_store(radosgw.new_url())
    assert isinstance(store, S3Store)
    store.put("ours", b"")
    client = boto3.client("s3", endpoint_url=radosgw.endpoint)
    for key in ("folder/", "../out", "a//b", ".tmp-x"):
        client.put_object(Bucket=radosgw.bucket, Key=store.location.prefix + key, Body=b"")
    assert [info.key for info in store.list("")] == ["ours"]


def test_a_damaged_upload_is_refused(store: Store, tmp_path: Path) -> None:
    assert isinstance(store, S3Store)
    (tmp_path / "file").write_bytes(b"the data")

    def damage(request: Any, **_: Any) -> None:
        request.body = b"the dat4"

    store._client.meta.events.register("before-send.s3.PutObject", damage)
    for write in (lambda: store.put("put", b"the data"), lambda: store.upload(tmp_path / "file", "upload")):
        with pytest.raises(StoreError, match="cannot write"):
            write()
    assert list(store.list("")) == []


def test_a_clock_that_is_wrong(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    late = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: late)
    with pytest.raises(StoreError, match=r"clock differs from the server's \(RequestTimeTooSkewed\); set the clock"):
        store.put("key", b"")


def test_an_endpoint_that_is_no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "host without scheme")
    with pytest.raises(StoreError, match="the endpoint is no URL; mend AWS_ENDPOINT_URL_S3"):
        open_store("s3://bucket")
