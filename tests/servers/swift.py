"""OpenStack Swift on loopback: one account, container and object server, and a proxy that speaks S3."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from servers.server import SWIFT, S3Server, daemon, free_ports, wait_for_port

KEY, SECRET = "test:tester", "testing"
BACKENDS = ("account", "container", "object")
PIPELINE = (
    "catch_errors gatekeeper healthcheck listing_formats bulk s3api tempauth "
    "copy slo dlo versioned_writes symlink proxy-server"
)
RING = """
import sys
from swift.common.ring import RingBuilder
for path, port in zip(sys.argv[1::2], map(int, sys.argv[2::2])):
    builder = RingBuilder(part_power=2, replicas=1, min_part_hours=0)
    builder.add_dev(dict(region=1, zone=1, weight=1, device="disk", ip="127.0.0.1", port=port,
                         replication_ip="127.0.0.1", replication_port=port))
    builder.rebalance()
    builder.get_ring().save(path)
"""


@contextmanager
def running_swift(folder: Path) -> Iterator[S3Server]:
    """A Swift with its data in a folder; ends with the block."""
    (folder / "devices" / "disk").mkdir(parents=True)
    *backends, front = free_ports(len(BACKENDS) + 1)
    _write(folder / "swift.conf", {"swift-hash": {"swift_hash_path_prefix": "codecjob"}, "storage-policy:0": _POLICY})
    ports = dict(zip(BACKENDS, backends, strict=True))
    rings = [word for name, port in ports.items() for word in (folder / f"{name}.ring.gz", str(port))]
    subprocess.run([SWIFT / "bin" / "python", "-c", RING, *rings], check=True, timeout=120)
    for name, port in ports.items():
        _write(folder / f"{name}-server.conf", _backend(folder, name, port))
    _write(folder / "proxy-server.conf", _proxy(folder, front))
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    with ExitStack() as stack:
        for name, port in {**ports, "proxy": front}.items():
            log = folder / f"{name}.log"
            command = [SWIFT / "bin" / f"swift-{name}-server", folder / f"{name}-server.conf"]
            wait_for_port(port, stack.enter_context(daemon(command, env, log)), log)
        server = S3Server(f"http://127.0.0.1:{front}", KEY, SECRET)
        server.make_bucket()
        yield server


_POLICY = {"name": "one-copy", "default": "yes"}


def _common(folder: Path, port: int) -> dict[str, object]:
    return {
        "bind_ip": "127.0.0.1",
        "bind_port": port,
        "workers": 0,  # serve in this very process, so that ending it ends all
        "user": "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody"),
        "swift_dir": folder,
        "log_address": folder / "no-syslog",
    }


def _backend(folder: Path, name: str, port: int) -> dict[str, dict[str, object]]:
    disk = {"devices": folder / "devices", "mount_check": "false", "disable_fallocate": "true", "fallocate_reserve": 0}
    return {
        "DEFAULT": {**_common(folder, port), **disk},
        "pipeline:main": {"pipeline": f"{name}-server"},
        f"app:{name}-server": {"use": f"egg:swift#{name}"},
    }


def _proxy(folder: Path, port: int) -> dict[str, dict[str, object]]:
    sections: dict[str, dict[str, object]] = {
        "DEFAULT": _common(folder, port),
        "pipeline:main": {"pipeline": PIPELINE},
        "app:proxy-server": {"use": "egg:swift#proxy", "account_autocreate": "true"},
    }
    for name in PIPELINE.split()[:-1]:
        sections[f"filter:{name}"] = {"use": f"egg:swift#{name}"}
    account, user = KEY.split(":")
    sections["filter:tempauth"][f"user_{account}_{user}"] = f"{SECRET} .admin"
    sections["filter:s3api"]["location"] = "us-east-1"
    sections["filter:versioned_writes"]["allow_object_versioning"] = "true"
    return sections


def _write(path: Path, sections: dict[str, dict[str, object]]) -> None:
    lines = [
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for name, values in sections.items()
    ]
    path.write_text("\n".join(lines))
