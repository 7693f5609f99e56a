"""An engine that goes away in the middle of an answer."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra import engine
from infra.pods import Transient
from infra.pods.docker import DockerProvider


class Engine(BaseHTTPRequestHandler):
    """Answers what a client asks first, and breaks off whatever comes as a stream."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        if path.endswith("/images/create") or path.endswith("/logs"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"15\r\n" + b'{"status":"Pulling"}\n' + b"\r\n40\r\nhalf of what was")
            self.close_connection = True
            return
        body = json.dumps(self._document(path)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def _document(self, path: str) -> Any:
        if path.endswith("/version"):
            return {"ApiVersion": "1.44", "MinAPIVersion": "1.24"}
        labels = {"codecjob.pod": "a", "codecjob.mark": "codecjob"}
        if path.endswith("/containers/json"):
            return [{"Id": "a", "State": "exited", "Labels": labels}]
        return {"Id": "a", "Config": {"Labels": labels, "Tty": False}, "State": {"Status": "exited"}}

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(autouse=True)
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def test_a_pull_that_breaks_off_is_one_line() -> None:
    with pytest.raises(engine.EngineDown, match="no Docker engine answers") as caught:
        engine.pull(engine.connect(), "me/codec:1")
    assert "\n" not in str(caught.value)


def test_a_log_that_breaks_off_is_a_providers_error() -> None:
    with pytest.raises(Transient):
        list(DockerProvider().logs("a"))
