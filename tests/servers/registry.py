"""A registry of images on loopback, which asks for a login: Debian's package of the reference one.

It asks in one of two ways: for the password itself, where every image is private, or, as the big registries do, for a
token, which a second server gives: to anybody for `public/...`, to the user for everything.
"""

import base64
import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from servers.server import CACHE, daemon, free_ports, wait_for_port

REGISTRY = CACHE / "registry"
USER, PASSWORD = "tester", "testing"
# bcrypt of the password, as htpasswd writes it.
ENTRY = "$2b$04$1A6vUSMTMhswBGrBMNWbduBBCkuINFscQBmbBlVJnkFtv4S6fm5aq"
IDENTITY = "an-identity-token"
SERVICE, ISSUER = "test-registry", "test-issuer"
SELF_SIGNED = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tokens", "-days", "2")
CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: "{data}"}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {auth}
"""


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    host: str
    data: Path

    def login(self, folder: Path, password: str = PASSWORD) -> Path:
        """A folder for $DOCKER_CONFIG with what `docker login` writes."""
        folder.mkdir(parents=True, exist_ok=True)
        auth = basic(password)
        (folder / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": auth}}}))
        return folder


def basic(password: str) -> str:
    """The user's login, as Docker's config and HTTP have it."""
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


@contextmanager
def running_registry(folder: Path) -> Iterator[Registry]:
    """A registry with its data in a folder, whose images are all private; ends with the block."""
    (folder / "htpasswd").write_text(f"{USER}:{ENTRY}\n")
    with _serving(folder, folder / "data", {"htpasswd": {"realm": "test", "path": f"{folder}/htpasswd"}}) as registry:
        yield registry


@contextmanager
def running_token_registry(folder: Path, data: Path) -> Iterator[Registry]:
    """A registry that asks for tokens, with the images that another one has."""
    subprocess.run(
        [*SELF_SIGNED, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    tokens = _TokenServer(folder)
    threading.Thread(target=tokens.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    realm = f"http://127.0.0.1:{tokens.server_port}/token"
    asks = {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": f"{folder}/cert.pem"}
    try:
        with _serving(folder, data, {"token": asks}) as registry:
            yield registry
    finally:
        tokens.shutdown()
        tokens.server_close()


@contextmanager
def _serving(folder: Path, data: Path, auth: dict[str, Any]) -> Iterator[Registry]:
    (port,) = free_ports(1)
    config, log = folder / "config.yml", folder / "registry.log"
    config.write_text(CONFIG.format(data=data, port=port, auth=json.dumps(auth)))
    command = [REGISTRY / "root" / "usr" / "bin" / "docker-registry", "serve", config]
    with daemon(command, os.environ, log) as process:
        wait_for_port(port, process, log)
        yield Registry(f"127.0.0.1:{port}", data)


class _TokenServer(ThreadingHTTPServer):
    """Signs what a user may do: https://distribution.github.io/distribution/spec/auth/jwt/."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Tokens)
        self.key = folder / "key.pem"
        lines = (folder / "cert.pem").read_text().splitlines()
        self.certificate = "".join(line for line in lines if not line.startswith("-"))

    def token(self, repository: str, allowed: bool) -> str:
        now = int(time.time())
        access = [{"type": "repository", "name": repository, "actions": ["pull"]}] if allowed else []
        claims = {"iss": ISSUER, "aud": SERVICE, "sub": "", "iat": now, "nbf": now - 10, "exp": now + 300}
        claims |= {"jti": uuid.uuid4().hex, "access": access}
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.certificate]}
        text = b".".join(_url64(json.dumps(part).encode()) for part in (head, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", self.key]
        signature = subprocess.run(command, input=text, capture_output=True, check=True, timeout=120).stdout
        return (text + b"." + _url64(signature)).decode()


class _Tokens(BaseHTTPRequestHandler):
    server: _TokenServer

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        repository = asked["scope"][0].split(":")[1]
        login = self.headers.get("Authorization")
        if login not in (None, f"Basic {basic(PASSWORD)}"):
            self._answer(401, {})
            return
        allowed = repository.startswith("public/") or login is not None
        self._answer(200, {"token": self.server.token(repository, allowed)})

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form["grant_type"] != ["refresh_token"] or form["refresh_token"] != [IDENTITY]:
            self._answer(401, {})
            return
        self._answer(200, {"access_token": self.server.token(form["scope"][0].split(":")[1], allowed=True)})

    def log_message(self, *words: object) -> None:
        """Says nothing."""

    def _answer(self, status: int, body: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
