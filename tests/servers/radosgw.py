"""Ceph's S3 gateway on loopback: one monitor, one OSD that keeps everything in memory, and radosgw, also over TLS."""

import json
import os
import platform
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from servers.server import RADOSGW, S3Server, daemon, free_ports, make_certificate, wait_for_port

ROOT = RADOSGW / "root"
LIB = ROOT / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
KEY, STRANGER, SECRET = "AKOWNER", "AKSTRANGER", "a-secret-of-the-tests"
ROLE = "arn:aws:iam:::role/codecjob-pod"
ROLE_WITHOUT_DATA = "arn:aws:iam:::role/without-data"
CLUSTER = "c0dec0b0-0000-4000-8000-000000000001"
OSD = "c0dec0b0-0000-4000-8000-000000000002"


@contextmanager
def running_radosgw(folder: Path) -> Iterator[tuple[S3Server, S3Server, S3Server]]:
    """One gateway with its data in memory: over http, over TLS, as a user without rights; ends with the block."""
    monitor, plain, secure = free_ports(3)
    certificate, private = make_certificate(folder)
    (folder / "osd").mkdir()
    conf, keyring, osd_keyring = folder / "ceph.conf", folder / "keyring", folder / "osd" / "keyring"
    conf.write_text(_conf(folder, monitor, plain, secure, certificate, private))
    env = _env()

    def call(*command: str | Path) -> str:
        # Without a monitor or a disk that answers, each of these would wait for ever.
        done = subprocess.run(list(map(str, command)), env=env, check=True, capture_output=True, text=True, timeout=100)
        return done.stdout

    def ceph(*words: str | Path) -> str:
        # Debian's own interpreter, for which its bindings are built.
        return call("/usr/bin/python3", ROOT / "usr" / "bin" / "ceph", "--conf", conf, *words)

    address = f"[v2:127.0.0.1:{monitor}]"
    call("monmaptool", "--create", "--addv", "a", address, "--fsid", CLUSTER, folder / "monmap")
    call("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    admin = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
    call("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *admin)
    made = ("--monmap", folder / "monmap", "--keyring", keyring)
    call("ceph-mon", "--conf", conf, "--id", "a", "--mkfs", *made)
    with ExitStack() as stack:

        def start(name: str, *command: str | Path) -> tuple["subprocess.Popen[bytes]", Path]:
            log = folder / f"{name}.out"
            return stack.enter_context(daemon([*command, "--conf", conf, "-f"], env, log)), log

        start("mon", "ceph-mon", "--id", "a")
        number = ceph("osd", "new", OSD).strip()
        call("ceph-authtool", "--create-keyring", osd_keyring, "--gen-key", "-n", f"osd.{number}")
        ceph("auth", "add", f"osd.{number}", "mon", "allow profile osd", "osd", "allow *", "-i", osd_keyring)
        osd = ("--id", number, "--keyring", osd_keyring)
        call("ceph-osd", "--conf", conf, *osd, "--mkfs", "--osd-uuid", OSD)
        start("osd", "ceph-osd", *osd)
        gateway, log = start("radosgw", "radosgw", "-n", "client.admin")
        for name, key in (("owner", KEY), ("stranger", STRANGER)):
            user = ("--uid", name, "--display-name", name, "--access-key", key, "--secret", SECRET)
            call("radosgw-admin", "--conf", conf, "user", "create", *user)
        trust = _allow("sts:AssumeRole", "Principal", {"AWS": ["arn:aws:iam:::user/owner"]})
        # A wildcard of this release takes as little as it can, and does not try again.
        for role, objects in ((ROLE, "*"), (ROLE_WITHOUT_DATA, f"{S3Server.bucket}/*runs/*")):
            name = ("--role-name", role.rpartition("/")[2])
            call("radosgw-admin", "--conf", conf, "role", "create", *name, "--assume-role-policy-doc", trust)
            everything = [f"arn:aws:s3:::{place}" for place in (S3Server.bucket, objects)]
            rights = ("--policy-name", "rights", "--policy-doc", _allow("s3:*", "Resource", everything))
            call("radosgw-admin", "--conf", conf, "role-policy", "put", *name, *rights)
        wait_for_port(secure, gateway, log)
        http = S3Server(f"http://127.0.0.1:{plain}", KEY, SECRET)
        http.make_bucket()
        tls = S3Server(f"https://127.0.0.1:{secure}", KEY, SECRET, certificate)
        yield http, tls, replace(http, key=STRANGER)


def _allow(action: str, what: str, value: object) -> str:
    """A policy of one statement. This release refuses spaces in it."""
    statement = {"Effect": "Allow", "Action": [action], what: value}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


def _env() -> dict[str, str]:
    libraries = [ROOT / "lib" / LIB.name, LIB, LIB / "ceph", ROOT / "usr" / "lib" / "ceph"]
    return {
        "PATH": f"{ROOT}/usr/bin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "PYTHONPATH": str(ROOT / "usr" / "lib" / "python3" / "dist-packages"),
    }


def _conf(folder: Path, monitor: int, plain: int, secure: int, certificate: Path, private: Path) -> str:
    first = random.randrange(20_000, 30_000)
    listen = f"endpoint=127.0.0.1:{plain} ssl_endpoint=127.0.0.1:{secure}"
    return f"""
[global]
fsid = {CLUSTER}
mon host = [v2:127.0.0.1:{monitor}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = {first}
ms bind port max = {first + 100}
keyring = {folder}/keyring
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}/rgw
run dir = {folder}
crash dir = {folder}
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
plugin dir = {LIB}
osd class dir = {LIB}/rados-classes
erasure code dir = {LIB}/ceph/erasure-code
# One disk, in memory, and nothing to wait for.
osd objectstore = memstore
memstore device bytes = 4G
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail warn = 0
mon data avail crit = 0
paxos propose interval = 0.05
paxos min wait = 0.01
osd heartbeat grace = 60
[client]
rgw frontends = beast {listen} ssl_certificate={certificate} ssl_private_key={private}
rgw run sync thread = false
rgw sts key = sixteen-letters-
rgw s3 auth use sts = true
"""
