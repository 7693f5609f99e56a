"""SeaweedFS on loopback: master, volume, filer and S3 gateway in one process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.server import STORES, S3Server, daemon, free_ports, wait_for_port

KEY, SECRET = "AKOWNER", "a-secret-of-the-tests"
PARTS = ("master", "volume", "filer", "s3")


@contextmanager
def running_seaweedfs(folder: Path) -> Iterator[S3Server]:
    """A SeaweedFS with its data in a folder; ends with the block."""
    data, identities, log = folder / "data", folder / "s3.json", folder / "weed.log"
    data.mkdir()
    owner = {"accessKey": KEY, "secretKey": SECRET}
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    identities.write_text(json.dumps({"identities": [{"name": "owner", "credentials": [owner], "actions": actions}]}))
    ports = free_ports(2 * len(PARTS))
    listen = [
        word
        for part, http, grpc in zip(PARTS, ports[::2], ports[1::2], strict=True)
        for word in (f"-{part}.port={http}", f"-{part}.port.grpc={grpc}")
    ]
    command: list[str | Path] = [
        STORES / "bin" / "weed",
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3.ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        f"-s3.config={identities}",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=16",
        *listen,
    ]
    with daemon(
        command, {"HOME": str(folder), "TMPDIR": str(folder)}, log, grace=0
    ) as process:  # its data goes with the folder
        wait_for_port(ports[-2], process, log)
        server = S3Server(f"http://127.0.0.1:{ports[-2]}", KEY, SECRET)
        server.make_bucket()
        yield server
    for port in ports:  # its sockets lie there whatever TMPDIR says
        for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            socket.unlink(missing_ok=True)
