"""Fixtures: a RunPod on loopback that answers as the vendor's document says."""

import io
import tarfile
from collections.abc import Iterator

import pytest

import docker
from fakes.runpod.account import Account
from fakes.runpod.api import Api
from fakes.runpod.contract import VARIABLE, Contract, openapi_path
from fakes.runpod.desk import Desk
from fakes.runpod.server import Server, serving
from infra.pods import runpod_logs

BARE_IMAGE = "codecjob-test-bare:1"
"""An image with nothing in it: what it runs, a test binds in."""


@pytest.fixture(scope="session")
def runpod_contract() -> Contract:
    """The vendor's document, read once."""
    try:
        return Contract.read()
    except FileNotFoundError:
        pytest.skip(f"needs RunPod's OpenAPI document: put it at {openapi_path()}, or name it in {VARIABLE}")


@pytest.fixture
def runpod_account() -> Account:
    """Its pods are nothing but paper, unless a test changes `runner`."""
    return Account()


@pytest.fixture
def runpod_server(runpod_account: Account, runpod_contract: Contract) -> Iterator[Server]:
    """Serves the account. Every answer that it gave has to be one that the vendor could give."""
    api = Api(runpod_account, Contract(runpod_contract.document, takes_cmd=True))
    with serving(api) as server:
        yield server
    assert api.violations == []


@pytest.fixture
def runpod_desk(runpod_server: Server, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A client of the server."""
    monkeypatch.setattr(runpod_logs, "SILENCE_SECONDS", 2.0)
    return Desk(runpod_server)


@pytest.fixture(scope="session")
def docker_client() -> docker.DockerClient:
    """The engine of this machine."""
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("needs a Docker engine: start dockerd, and see that this user may use it")
    return client


@pytest.fixture(scope="session")
def bare_image(docker_client: docker.DockerClient) -> str:
    """See `BARE_IMAGE`."""
    with io.BytesIO() as data:
        with tarfile.open(fileobj=data, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("nothing"))
        docker_client.api.import_image_from_data(data.getvalue(), *BARE_IMAGE.split(":"))
    return BARE_IMAGE
