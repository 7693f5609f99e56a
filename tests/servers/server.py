"""What tests know of an S3 server on loopback, and how its processes are started and ended."""

import hashlib
import os
import random
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest

from helpers import PATIENCE_SECONDS

HERE = Path(__file__).parent
PORTS, WORKERS = range(10_000, 20_000), 16
_given: set[int] = set()
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "codecjob-servers"


def _named(name: str) -> Path:
    """The folder of a virtual environment, named by the requirements that it holds."""
    lock = (HERE / f"requirements-{name}.txt").read_bytes()
    return CACHE / f"{name}-{hashlib.sha256(lock).hexdigest()[:12]}"


SWIFT = _named("swift")
STORES = _named("stores")
"""SeaweedFS and rclone."""
RADOSGW = CACHE / "radosgw"


@dataclass(frozen=True)
class S3Server:
    """A running server, the keys of a user who may do everything, and a bucket of that user."""

    endpoint: str
    key: str
    secret: str = field(repr=False)
    certificate: Path | None = None
    bucket: str = "codecjob"

    def env(self) -> dict[str, str]:
        """The environment of a client of this server, of no other account on this machine."""
        env = {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return env | ({"AWS_CA_BUNDLE": str(self.certificate)} if self.certificate else {})

    def new_url(self) -> str:
        """A place that no other test uses, with signs that have to be escaped."""
        return f"s3://{self.bucket}/tests/a b/{uuid.uuid4().hex}?endpoint={self.endpoint}"

    def make_bucket(self) -> None:
        """Make the bucket, with a client that owes nothing to the code under test."""
        boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            verify=str(self.certificate) if self.certificate else None,
        ).create_bucket(Bucket=self.bucket)


def use(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process a client of the server and of nothing else."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)


def need(folder: Path, name: str) -> None:
    """Skip unless a server has been fetched."""
    if not (folder / "ready").exists():
        pytest.skip(f"needs {name}: fetch it with `make servers`")


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now, and that nobody is given before a daemon has begun to.

    The kernel gives out ports from 32768 on to whoever asks for any, so these lie below; those of one of several test
    processes are never another's.
    """
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    ports = [port for port in PORTS[own::WORKERS] if port not in _given]
    found: list[int] = []
    for port in random.SystemRandom().sample(ports, len(ports)):
        if len(found) == count:
            break
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    _given.update(found)
    return found


@contextmanager
def daemon(
    command: Sequence[str | Path], env: Mapping[str, str], log: Path, grace: float = 5
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, ended when the block is left; killed after `grace` seconds."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(map(str, command)), env=dict(env), stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when a daemon accepts connections; fail with its log if it ends or takes too long."""

    def accepts() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    _wait(accepts, process, log, seconds)


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(f"a server of the tests did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
        f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
        timeout=120,
    )
    return certificate, key
