"""The pod's image: built by the Docker engine from the project's source, and pushed to a registry.

It is built through the engine's own API: no `docker` program is needed, a remote engine builds as well, and the
Dockerfile asks for nothing that only BuildKit has.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra import engine
from infra.engine import EngineError
from infra.image_source import DOCKERFILE

if TYPE_CHECKING:
    import docker

LABELS = {
    "version": "org.opencontainers.image.version",
    "commit": "org.opencontainers.image.revision",
    "torch": "codecjob.torch",
    "cuda": "codecjob.cuda",
}
TAIL_LINES = 15
GIT_SECONDS = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Image:
    """An image as the engine has it."""

    tag: str
    id: str
    size: int
    """Bytes on disk, the base with them."""
    version: str
    commit: str
    torch: str
    cuda: str


def build(
    source: Path,
    tag: str,
    say: Say,
    base_image: str | None = None,
    cuda: str | None = None,
    torch_index: str | None = None,
) -> Image:
    """Build the image of a source folder, and tell each line of the build.

    `cuda` other than the lock's takes `torch_index`, the URL of the wheel index of that CUDA build of torch.

    Raises:
        EngineError: no engine, a build that failed.
    """
    import docker

    arguments = _arguments(source, base_image, cuda, torch_index)
    client = engine.connect()
    last: list[str] = []
    try:
        with engine.answers("the build"):
            for line in _build_lines(client, source, tag, arguments):
                last = [*last, line][-TAIL_LINES:]
                say(line)
    except docker.errors.APIError as error:
        raise EngineError(f"the build of {tag} was refused: {engine.explain(error)}") from error
    except _BuildFailed as error:
        raise EngineError(_why(tag, arguments, str(error), last)) from error
    return look(client, tag)


def look(client: docker.DockerClient, tag: str) -> Image:
    """What the engine knows of an image of ours.

    Raises:
        EngineError: it has none of that name, or not one of ours.
    """
    import docker

    try:
        with engine.answers("a look at an image"):
            found = client.images.get(tag)
    except docker.errors.ImageNotFound as error:
        raise EngineError(f"the engine has no image {tag}; `codecjob image build --tag {tag}` makes it") from error
    except docker.errors.APIError as error:
        raise EngineError(f"image {tag}: {engine.explain(error)}") from error
    labels = found.labels
    missing = [label for label in LABELS.values() if label not in labels]
    if missing:
        raise EngineError(f"image {tag} was not built by codecjob: it has no label {missing[0]}")
    facts = {name: labels[label] for name, label in LABELS.items()}
    return Image(tag=tag, id=str(found.id), size=int(found.attrs["Size"]), **facts)


def push(tag: str, progress: Callable[[int, int], None]) -> str:
    """Push an image under its own name; returns the reference with its digest. Tells bytes sent and bytes known of.

    The login is that of Docker's own config ($DOCKER_CONFIG, ~/.docker/config.json).

    Raises:
        EngineRefuses: the registry does not take this user's word.
        EngineError: no such image, no answer.
    """
    import docker

    client = engine.connect()
    look(client, tag)
    sent: dict[str, tuple[int, int]] = {}
    digest = None
    try:
        with engine.answers(f"push of {tag}"):
            for event in client.api.push(tag, stream=True, decode=True):
                if "error" in event:
                    raise engine.registry_error(tag, str(event["error"]))
                digest = event.get("aux", {}).get("Digest", digest)
                detail = event.get("progressDetail") or {}
                if detail.get("total"):
                    sent[event["id"]] = (int(detail.get("current", 0)), int(detail["total"]))
                    progress(*(sum(pair) for pair in zip(*sent.values(), strict=True)))
    except docker.errors.APIError as error:
        raise engine.registry_error(tag, engine.explain(error)) from error
    if digest is None:
        raise EngineError(f"image {tag}: the engine ended the push without a digest; push again")
    return f"{name_of(tag)}@{digest}"


def name_of(reference: str) -> str:
    """An image reference without its tag or digest; a port is no tag."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def locked(source: Path) -> tuple[str, str]:
    """The versions of torch and of its CUDA that the image's lock holds, such as 2.11.0 and 13.0."""
    text = (source / "docker" / "requirements.lock").read_text(encoding="utf-8")
    torch = re.search(r"^torch==([\d.]+)", text, re.MULTILINE)
    cuda = re.search(r"^cuda-toolkit==(\d+\.\d+)", text, re.MULTILINE)
    if torch is None or cuda is None:
        raise EngineError(f"{source}/docker/requirements.lock does not name torch and cuda-toolkit; `make lock`")
    return torch[1], cuda[1]


class _BuildFailed(Exception):
    pass


def _build_lines(client: docker.DockerClient, source: Path, tag: str, arguments: dict[str, str]) -> Iterator[str]:
    for event in client.api.build(
        path=str(source), dockerfile=DOCKERFILE, tag=tag, buildargs=arguments, rm=True, forcerm=True, decode=True
    ):
        if "error" in event:
            raise _BuildFailed(str(event["error"]))
        for line in str(event.get("stream", "")).splitlines():
            if line.strip():
                yield line


def _arguments(source: Path, base_image: str | None, cuda: str | None, torch_index: str | None) -> dict[str, str]:
    """The build's arguments. None of them is secret: they can be read in the image's history."""
    torch, locked_cuda = locked(source)
    if cuda not in (None, locked_cuda) and torch_index is None:
        raise EngineError(
            f"the locked torch {torch} brings CUDA {locked_cuda}; for --cuda {cuda} name the index that has that build "
            "of torch: --torch-index URL (pytorch.org, Get Started, shows it)"
        )
    if torch_index and (urlsplit(torch_index).username or urlsplit(torch_index).password):
        raise EngineError("--torch-index holds a credential, which would stay in the image; put it in the base image")
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    arguments = {"TORCH": torch, "CUDA": cuda or locked_cuda, "VERSION": project["version"], "COMMIT": _commit(source)}
    optional: dict[str, Any] = {"BASE_IMAGE": base_image, "TORCH_INDEX": torch_index}
    return arguments | {name: value for name, value in optional.items() if value}


def _commit(source: Path) -> str:
    """The checkout's commit, marked where its files differ from it; unknown without git."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", source, *words], capture_output=True, text=True, check=True, timeout=GIT_SECONDS
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _why(tag: str, arguments: dict[str, str], said: str, last: list[str]) -> str:
    text = said.lower()
    if any(word in text for word in (*engine.DENIED, *engine.UNKNOWN, "dial tcp", "no such host")):
        base = arguments.get("BASE_IMAGE", "the Dockerfile's base image")
        return f"the build of {tag} cannot have {base}: {said}; name another one with --base-image"
    words = [line for line in last if "error" in line.lower()] or last
    return f"the build of {tag} failed: {said}" + (f" ({words[-1].strip()})" if words else "")
