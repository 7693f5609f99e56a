"""The tools that the bench compares, each as the commands it needs for clips and for a checkpoint."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
VERBS = ("push", "pull", "up", "down")


@dataclass(frozen=True)
class Place:
    """Where a tool brings things: a server seen through the bench's proxy, and a folder of its own."""

    endpoint: str
    bucket: str
    clips: Path
    checkpoint: Path
    out: Path
    """For what comes down."""


Command = Sequence[str | Path]


@dataclass(frozen=True)
class Tool:
    """A tool; `command(verb, place)` is how it does `push` and `pull` (clips) and `up` and `down` (a checkpoint)."""

    name: str
    command: Callable[[str, Place], Command]
    resumes: bool = True
    """Whether it knows what is there already."""


def tools(peers: Path) -> list[Tool]:
    """Ours, and those that are installed below `peers`/bin."""
    found = [Tool("codecjob", _codecjob)]
    for name, make in (("aws", _aws), ("s5cmd", _s5cmd), ("rclone", _rclone)):
        if (peers / "bin" / name).exists():
            found.append(Tool(name, make(peers / "bin" / name)))
    if list(peers.glob("lib/python*/site-packages/obstore")):
        found.append(Tool("obstore", _obstore(peers / "bin" / "python"), resumes=False))
    return found


def _codecjob(verb: str, place: Place) -> Command:
    url = f"s3://{place.bucket}?endpoint={place.endpoint}"
    path = {"push": place.clips, "look": place.clips, "pull": place.out / "clips", "up": place.checkpoint}
    command = [sys.executable, "-m", "tests.bench.sync.worker", verb, url, path.get(verb, place.out / "checkpoint.bin")]
    return [*command, (place.out / "dataset").read_text()] if verb == "pull" else command


def _aws(program: Path) -> Callable[[str, Place], Command]:
    def command(verb: str, place: Place) -> Command:
        quiet = ["--endpoint-url", place.endpoint, "--only-show-errors"]
        return [program, "s3", *_copy(verb, place, "sync", "cp", "", ""), *quiet]

    return command


def _s5cmd(program: Path) -> Callable[[str, Place], Command]:
    def command(verb: str, place: Place) -> Command:
        return [
            program,
            "--endpoint-url",
            place.endpoint,
            "--log",
            "error",
            *_copy(verb, place, "sync", "cp", "/*", "/*"),
        ]

    return command


def _copy(verb: str, place: Place, sync: str, copy: str, from_folder: str, from_bucket: str) -> list[str]:
    """Words of a tool whose sources end in a wildcard, or don't."""
    bucket, clips = f"s3://{place.bucket}", f"s3://{place.bucket}/clips"
    return {
        "push": [sync, f"{place.clips}{from_folder}", f"{clips}/"],
        "pull": [sync, f"{clips}{from_bucket}", f"{place.out / 'clips'}/"],
        "up": [copy, str(place.checkpoint), f"{bucket}/checkpoint.bin"],
        "down": [copy, f"{bucket}/checkpoint.bin", str(place.out / "checkpoint.bin")],
    }[verb]


def _rclone(program: Path) -> Callable[[str, Place], Command]:
    def command(verb: str, place: Place) -> Command:
        remote = f":s3,provider=Ceph,env_auth=true,endpoint='{place.endpoint}':{place.bucket}"
        words = {
            "push": ["sync", place.clips, f"{remote}/clips"],
            "pull": ["sync", f"{remote}/clips", place.out / "clips"],
            "up": ["copyto", place.checkpoint, f"{remote}/checkpoint.bin"],
            "down": ["copyto", f"{remote}/checkpoint.bin", place.out / "checkpoint.bin"],
        }[verb]
        return [program, *words, "--transfers", "32", "--config", "/dev/null"]

    return command


def _obstore(python: Path) -> Callable[[str, Place], Command]:
    def command(verb: str, place: Place) -> Command:
        path = {"push": place.clips, "pull": place.out / "clips", "up": place.checkpoint}
        script = HERE / "obstore_worker.py"
        return [python, script, verb, place.endpoint, place.bucket, path.get(verb, place.out / "checkpoint.bin")]

    return command
