"""Fixtures: real servers, each started or found once in a session, when the first test asks for it."""

from collections.abc import Iterator

import pytest

import docker
from servers.engine import need_base, need_engine, need_image
from servers.radosgw import running_radosgw
from servers.rclone import running_rclone
from servers.registry import REGISTRY, Registry, running_registry, running_token_registry
from servers.seaweedfs import running_seaweedfs
from servers.server import RADOSGW, STORES, SWIFT, S3Server, need
from servers.swift import running_swift


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """OpenStack Swift: strict about checksums and signatures, slow, its conditional writes not atomic."""
    need(SWIFT, "OpenStack Swift")
    with running_swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS: conditional writes, but it lists folder by folder and keeps emptied folders for a while."""
    need(STORES, "SeaweedFS")
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """`rclone serve s3`: a folder behind S3; conditions are ignored."""
    need(STORES, "rclone")
    with running_rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def radosgw_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[S3Server, S3Server, S3Server]]:
    """Ceph's gateway: fast, its conditional writes atomic."""
    need(RADOSGW, "Ceph's radosgw")
    with running_radosgw(tmp_path_factory.mktemp("radosgw")) as servers:
        yield servers


@pytest.fixture(scope="session")
def radosgw(radosgw_all: tuple[S3Server, S3Server, S3Server]) -> S3Server:
    return radosgw_all[0]


@pytest.fixture(scope="session")
def radosgw_tls(radosgw_all: tuple[S3Server, S3Server, S3Server]) -> S3Server:
    return radosgw_all[1]


@pytest.fixture(scope="session")
def stranger(radosgw_all: tuple[S3Server, S3Server, S3Server]) -> S3Server:
    """The same gateway, as a user to whom the bucket does not belong."""
    return radosgw_all[2]


@pytest.fixture(scope="session")
def engine() -> docker.DockerClient:
    """The Docker engine of this machine."""
    return need_engine()


@pytest.fixture(scope="session")
def base_image(engine: docker.DockerClient) -> str:
    """A small Debian with Python, on the engine."""
    return need_base(engine)


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient, base_image: str) -> str:
    """The pod's image of this very source; built once for each state of what goes into it."""
    return need_image(engine, base_image)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry of images that asks for a login."""
    need(REGISTRY, "a registry of images")
    with running_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def token_registry(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """The same images behind tokens: those of `public/` for everybody."""
    with running_token_registry(tmp_path_factory.mktemp("tokens"), registry.data) as server:
        yield server
