"""`rclone serve s3` on loopback: a folder that speaks S3, which knows no conditional writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.server import STORES, S3Server, daemon, free_ports, wait_for_port

KEY, SECRET = "AKOWNER", "a-secret-of-the-tests"


@contextmanager
def running_rclone(folder: Path, path: str = "") -> Iterator[S3Server]:
    """An rclone that serves a folder; ends with the block.

    Below a path such as "/storage/v1/s3" it is open to anybody: it would check signatures as if there were no path.
    """
    data, log = folder / "data", folder / "rclone.log"
    data.mkdir()
    (port,) = free_ports(1)
    command: list[str | Path] = [
        STORES / "bin" / "rclone",
        "serve",
        "s3",
        f"--addr=127.0.0.1:{port}",
        f"--baseurl={path}" if path else f"--auth-key={KEY},{SECRET}",
        f"--config={folder / 'none.conf'}",
        data,
    ]
    with daemon(command, {"HOME": str(folder)}, log, grace=0) as process:  # it would wait for open connections
        wait_for_port(port, process, log)
        server = S3Server(f"http://127.0.0.1:{port}{path}", KEY, SECRET)
        server.make_bucket()
        yield server
