"""A proxy between a client and a real S3 server that does what networks and busy servers do to both.

It forwards requests as they are, so that signatures hold (it has no other name than the client asked for), and spoils
those that a test has chosen.
"""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal[
    "reset",  # the connection is reset before the request reaches the server
    "answer lost",  # the server does its work, and the answer is lost
    "upload cut",  # the connection breaks in the middle of the request's body
    "truncate",  # half of the answer's body, then the end
    "corrupt",  # one byte of the answer's body is another
    "stall",  # no answer, for as long as the proxy lives
    "stall in body",  # half of the answer's body, then silence
    "slow down",  # 503
    "internal error",  # 500
    "expired",  # 403: the session has ended
    "denied",  # 403: no right to do this
]
ANSWERS: dict[str, tuple[int, str]] = {
    "slow down": (503, "SlowDown"),
    "internal error": (500, "InternalError"),
    "expired": (403, "ExpiredToken"),
    "denied": (403, "AccessDenied"),
}
ALWAYS = 1_000_000

Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers, body."""


@dataclass
class Request:
    """What a test chooses by."""

    number: int
    method: str
    path: str
    """With the query, quoted as on the wire."""


@dataclass
class Fault:
    """Spoils the next ``times`` requests that ``chosen`` picks."""

    kind: Kind
    times: int = 1
    chosen: Callable[[Request], bool] = lambda _request: True


@dataclass
class Proxy:
    """A running proxy."""

    endpoint: str
    upstream: str
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    watch: Callable[[Request, bool], None] | None = None
    """Called with each request before it is forwarded, and again (True) when the server has answered it."""
    silent: set[tuple[str, int]] = field(default_factory=set)
    """The client's ends of connections on which a stall has begun: see `fakes.silence`."""
    rewrite: Callable[[Request, Answer], Answer] | None = None
    """Changes each answer of the server on its way to the client."""
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def inject(self, kind: Kind, times: int = 1, chosen: Callable[[Request], bool] = lambda _request: True) -> Fault:
        """From now on, until it is used up or removed with `heal`."""
        fault = Fault(kind, times, chosen)
        with self.lock:
            self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """No more faults."""
        with self.lock:
            self.faults.clear()

    def note(self, method: str, path: str) -> tuple[Request, Fault | None]:
        """Counts a request and finds what is to happen to it."""
        with self.lock:
            request = Request(len(self.requests), method, path)
            self.requests.append(request)
            for fault in self.faults:
                if fault.times > 0 and fault.chosen(request):
                    fault.times -= 1
                    return request, fault
        return request, None


@contextmanager
def running_proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy on loopback in front of a server without TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            request, fault = proxy.note(self.command, self.path)
            _forward(self, proxy, request, fault)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket.listen(128)  # a busy machine accepts late, and a connection that is dropped waits for a second
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}", upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(60)


def _forward(handler: BaseHTTPRequestHandler, proxy: Proxy, request: Request, fault: Fault | None) -> None:
    kind = fault.kind if fault else None
    length = int(handler.headers.get("Content-Length") or 0)
    if kind == "upload cut":
        handler.rfile.read(length // 2)
        return _reset(handler)
    body = handler.rfile.read(length)
    if proxy.watch:
        proxy.watch(request, False)
    if kind == "reset":
        return _reset(handler)
    if kind == "stall":
        _stall(handler, proxy)
        return _reset(handler)
    if kind in ANSWERS:
        status, code = ANSWERS[kind]
        return _answer(handler, status, [], f"<Error><Code>{code}</Code><Message>x</Message></Error>".encode())
    status, headers, answer = _ask(proxy.upstream, handler, body)
    if proxy.rewrite:
        status, headers, answer = proxy.rewrite(request, (status, headers, answer))
    if proxy.watch:
        proxy.watch(request, True)
    if kind == "answer lost":
        return _reset(handler)
    if kind == "corrupt" and answer:
        middle = len(answer) // 2
        answer = answer[:middle] + bytes([answer[middle] ^ 1]) + answer[middle + 1 :]
    return _answer(handler, status, headers, answer, kind, proxy)


def _stall(handler: BaseHTTPRequestHandler, proxy: Proxy) -> None:
    proxy.silent.add(handler.client_address)
    proxy.ended.wait(600)


def _ask(upstream: str, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=300)
    try:
        connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            if name.lower() not in ("expect", "connection"):
                connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


def _answer(
    handler: BaseHTTPRequestHandler,
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    kind: Kind | None = None,
    proxy: Proxy | None = None,
) -> None:
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    try:
        handler.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                handler.send_header(name, value)
        # The answer to HEAD tells a length that it does not have.
        handler.send_header("Content-Length", lengths[0] if handler.command == "HEAD" and lengths else str(len(body)))
        handler.end_headers()
        half = kind in ("truncate", "stall in body")
        handler.wfile.write(body[: len(body) // 2] if half else body)
        handler.wfile.flush()
        if kind == "stall in body" and proxy:
            _stall(handler, proxy)
        if half:
            handler.close_connection = True
    except OSError:  # the client has given up
        handler.close_connection = True


def _reset(handler: BaseHTTPRequestHandler) -> None:
    """Closes so that the client sees a reset and not an end."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()
