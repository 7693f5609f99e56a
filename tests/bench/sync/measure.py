"""One tool's rounds on a server of its own: seconds and memory of each."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from servers.radosgw import running_radosgw
from servers.server import daemon, free_ports, wait_for_port
from tests.bench.sync.tools import Command, Place, Tool

ROUNDS = ("clips up", "clips up again", "clips down", "clips down again", "checkpoint up", "checkpoint down")


@dataclass(frozen=True)
class Spent:
    """What a round took."""

    seconds: float
    megabytes: float
    """Memory of the process at its fullest; the kernel counts what it had of the bench before its own program began."""
    client: float
    """Seconds of processor time of the process, which tell of it even on a machine that has other work."""
    server: float
    """The same of the server and, where there is one, the proxy."""


def measure(tool: Tool, clips: Path, checkpoint: Path, folder: Path, delay_ms: int) -> dict[str, Spent]:
    """All rounds of a tool; what comes down is compared. Raises CalledProcessError if a round fails."""
    with _server(folder, delay_ms) as (endpoint, bucket, server_env):
        place = Place(endpoint, bucket, clips, checkpoint, folder / "out")
        place.out.mkdir()
        env = {**server_env, "XDG_CACHE_HOME": str(folder / "cache")}
        spent = {}
        if tool.name == "codecjob":
            # What decoding takes of the first push, on a cache of its own.
            apart = {**env, "XDG_CACHE_HOME": str(folder / "apart")}
            spent["decoding alone"] = _run(tool.command("look", place), apart)
        for name in ROUNDS:
            verb = {"clips up": "push", "clips down": "pull", "checkpoint up": "up", "checkpoint down": "down"}
            if name.endswith("again") and not tool.resumes:
                continue
            output = place.out / "dataset" if name == "clips up" else None
            spent[name] = _run(tool.command(verb[name.removesuffix(" again")], place), env, output)
        _compare(tool, place)
        return spent


def _run(command: Command, env: Mapping[str, str], output: Path | None = None) -> Spent:
    began, server = time.monotonic(), _children_processor()
    with (output or Path(os.devnull)).open("w") as out:
        process = subprocess.Popen(list(map(str, command)), env=dict(env), stdout=out, stderr=subprocess.PIPE)
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.stderr.write(said.decode(errors="replace"))
        raise subprocess.CalledProcessError(process.returncode, list(map(str, command)))
    return Spent(
        seconds=time.monotonic() - began,
        megabytes=usage.ru_maxrss * resource.getpagesize() / 4096 / 1024,
        client=usage.ru_utime + usage.ru_stime,
        server=_children_processor() - server,
    )


def _children_processor() -> float:
    """Seconds of processor time of this process's children that run: the daemons."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # gone meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _compare(tool: Tool, place: Place) -> None:
    subprocess.run(["cmp", place.checkpoint, place.out / "checkpoint.bin"], check=True)
    if tool.name != "codecjob":  # whose pull has compared every shard with its hash
        subprocess.run(["diff", "-r", place.clips, place.out / "clips"], check=True)


@contextmanager
def _server(folder: Path, delay_ms: int) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(endpoint, bucket, environment) of a fresh gateway, behind the proxy where the way is to be longer."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "server").mkdir(parents=True)
    with running_radosgw(folder / "server") as (server, *_):
        env = {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **server.env()}
        env |= {"AWS_REGION": "us-east-1", "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}
        if not delay_ms:
            yield server.endpoint, server.bucket, env
            return
        (port,) = free_ports(1)
        target = server.endpoint.rpartition(":")[2]
        log = folder / "proxy.log"
        command = [sys.executable, "-m", "tests.bench.sync.delay", str(port), target, str(delay_ms)]
        with daemon(command, env, log) as proxy:
            wait_for_port(port, proxy, log)
            yield f"http://127.0.0.1:{port}", server.bucket, env
