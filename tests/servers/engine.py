"""What tests know of the Docker engine, and of the images that they run on it."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import docker
from infra import image
from servers.server import HERE

ROOT = HERE.parents[1]
BASE_SCRIPT = HERE / "docker_base.sh"
BASE_IMAGE = f"codecjob-test-base:{hashlib.sha256(BASE_SCRIPT.read_bytes()).hexdigest()[:12]}"


def need_engine() -> docker.DockerClient:
    """The engine of this machine, or a skip."""
    try:
        return docker.from_env()
    except docker.errors.DockerException:
        pytest.skip("needs a Docker engine: start dockerd, or set DOCKER_HOST")


def need_base(client: docker.DockerClient) -> str:
    """The image that test images are built on and test pods run; made where it is missing, or a skip."""
    with _alone():
        if not has(client, BASE_IMAGE):
            if os.geteuid() != 0 or not shutil.which("debootstrap"):
                pytest.skip(
                    f"needs a base image: docker pull python:3.12-slim; docker tag python:3.12-slim {BASE_IMAGE}"
                )
            subprocess.run(
                [BASE_SCRIPT, BASE_IMAGE], env={**os.environ, "PYTHON": sys.executable}, check=True, timeout=500
            )
    return BASE_IMAGE


def need_image(client: docker.DockerClient, base: str) -> str:
    """The pod's image. The wheels are the engine's cached layer: a change of code builds anew what follows it."""
    tag = f"codecjob-test:{inputs_hash()}"
    with _alone():
        if not has(client, tag):
            image.build(ROOT, tag, lambda line: None, base_image=base)
    return tag


@contextmanager
def _alone() -> Iterator[None]:
    """One of several test processes at a time: the others find what it has made."""
    with (Path(tempfile.gettempdir()) / "codecjob-test-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def has(client: docker.DockerClient, reference: str) -> bool:
    """Whether the engine has an image."""
    try:
        client.images.get(reference)
    except docker.errors.ImageNotFound:
        return False
    return True


def inputs_hash() -> str:
    """What the image is built from, and on: the same hash, the same image."""
    paths = [ROOT / "pyproject.toml", ROOT / ".dockerignore", *sorted((ROOT / "docker").iterdir())]
    paths += [path for room in ("codec", "infra", "job") for path in sorted((ROOT / room).rglob("*.py"))]
    digest = hashlib.sha256(BASE_IMAGE.encode())
    for path in paths:
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def leftovers(client: docker.DockerClient, mark: str) -> list[str]:
    """Containers with a mark, in whatever state."""
    return [each["Id"] for each in client.api.containers(all=True, filters={"label": f"codecjob.mark={mark}"})]
