"""The fake as an HTTP server on loopback, and as a transport of `requests` without any."""

import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from fakes.runpod.account import Account
from fakes.runpod.api import Api, Call, Reply, backlog, event
from fakes.runpod.faults import Fault
from fakes.runpod.pods import FakePod

FOLLOW_SECONDS = 0.1
ALIVE_SECONDS = 1.0
FAULTS = "/fake/faults"
VIOLATIONS = "/fake/violations"


class Server(ThreadingHTTPServer):
    """Serves one account; `url` is what CODECJOB_RUNPOD_URL has to be."""

    daemon_threads = True

    def __init__(self, api: Api, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.api = api
        self.clock_behind = 0.0
        """Seconds by which the clock in its answers is late."""
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v2"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no matter; anything else is shown as ever."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving(api: Api, port: int = 0) -> Iterator[Server]:
    """The server in a thread of its own, until the block is left; then its pods are ended too."""
    with Server(api, port) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
            api.account.end_all()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        url = urlsplit(self.path)
        body = json.loads(raw) if raw else None
        api = self.server.api
        if url.path == FAULTS:  # the fake's own: what is to go wrong
            for fault in body:
                api.account.faults.add(Fault(**fault))
            self._send(Reply(document=[asdict(fault) for fault in api.account.faults.answers]))
            return
        if url.path == VIOLATIONS:
            self._send(Reply(document=api.violations))
            return
        reply = api.answer(Call(self.command, url.path, dict(parse_qsl(url.query)), self.headers, body))
        if reply.dropped is not None:
            time.sleep(reply.dropped.silent_seconds)
            self.close_connection = True
        elif reply.stream is not None:
            self._stream(reply, dict(parse_qsl(url.query)))
        else:
            self._send(reply)

    do_GET = do_POST = do_DELETE = do_PATCH = _serve

    def _send(self, reply: Reply) -> None:
        body = reply.page or (b"" if reply.document is None else json.dumps(reply.document).encode())
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if body:
            problem = "text/html" if reply.page is not None else "application/problem+json"
            self.send_header("Content-Type", problem if reply.status >= 400 else "application/json")
        if reply.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, reply: Reply, query: dict[str, str]) -> None:
        assert reply.stream is not None
        account, pod = self.server.api.account, reply.stream
        cuts = account.faults.cut_logs_after
        left = cuts.pop(0) if cuts else None
        self.send_response(200)
        for name, value in (("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")):
            self.send_header(name, value)
        self.end_headers()
        source = query.get("source", "container")
        lines = _lines(account, pod, query)
        sent = len(lines)
        ready = backlog(lines, self.headers.get("Last-Event-ID") or "", int(query.get("tail", "100")), source)
        spoke = time.monotonic()
        while pod.terminated is None:
            for line in ready:
                if left == 0:
                    self.close_connection = True
                    return
                self._chunk(event(line, source))
                left = None if left is None else left - 1
                spoke = time.monotonic()
            if time.monotonic() - spoke > ALIVE_SECONDS:
                self._chunk(b": alive\n\n")
                spoke = time.monotonic()
            time.sleep(FOLLOW_SECONDS)
            lines = _lines(account, pod, query)
            ready, sent = lines[sent:], len(lines)
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) - self.server.clock_behind)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _lines(account: Account, pod: FakePod, query: dict[str, str]) -> list[tuple[float, str]]:
    return list(pod.system) if query.get("source") == "system" else account.runner.lines(pod)


class Direct(BaseAdapter):
    """Carries the calls of a `requests` session straight to an API, in this process and at no cost of time."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self.api = api

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        body = json.loads(request.body) if request.body else None
        reply = self.api.answer(Call(str(request.method), url.path, dict(parse_qsl(url.query)), request.headers, body))
        if reply.dropped is not None:
            raise requests.ReadTimeout("the fake says nothing")
        data = reply.page or (b"" if reply.document is None else json.dumps(reply.document).encode())
        if reply.stream is not None:
            lines = self.api.account.runner.lines(reply.stream)
            data = b"".join(event(line) for line in lines)
        response = requests.Response()
        response.status_code = reply.status
        response.headers = CaseInsensitiveDict(reply.headers)
        response.raw = io.BytesIO(data)
        response.request = request
        response.url = str(request.url)
        return response

    def close(self) -> None:
        pass
