"""What a real registry says of an image, asked without a login, with one, and not at all."""

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import docker
from infra.registry import ImageMissing, ImageRefused, NoAnswer, look
from servers.images import LABELS, get_manifest, push_empty, put_blob, put_manifest
from servers.registry import IDENTITY, PASSWORD, USER, Registry

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def private(engine: docker.DockerClient, registry: Registry) -> str:
    return push_empty(engine, registry, "me")


@pytest.fixture(scope="module")
def public(engine: docker.DockerClient, registry: Registry) -> str:
    return push_empty(engine, registry, "public")


def test_a_private_image_is_seen_with_a_login_only(
    registry: Registry, private: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = f"{registry.host}/{private}"
    with pytest.raises(ImageRefused, match="refuses anybody without a login") as refused:
        look(reference)
    assert not refused.value.with_login
    monkeypatch.setenv("DOCKER_CONFIG", str(registry.login(tmp_path / "wrong", "wrong")))
    with pytest.raises(ImageRefused, match="refuses this machine's login") as refused:
        look(reference)
    assert refused.value.with_login
    monkeypatch.setenv("DOCKER_CONFIG", str(registry.login(tmp_path / "right")))
    found = look(reference)
    assert (found.public, found.labels) == (False, LABELS)
    assert found.pinned.startswith(f"{registry.host}/me/codecjob@sha256:")
    assert found.size > 0
    assert look(found.pinned) == found
    with pytest.raises(ImageMissing, match="has no such image"):
        look(f"{registry.host}/me/codecjob:absent")


def test_a_public_image_needs_a_token_that_everybody_gets(token_registry: Registry, public: str, private: str) -> None:
    found = look(f"{token_registry.host}/{public}")
    assert (found.public, found.labels) == (True, LABELS)
    with pytest.raises(ImageMissing, match="has no such image"):
        look(f"{token_registry.host}/public/codecjob:absent")
    with pytest.raises(ImageRefused):
        look(f"{token_registry.host}/{private}")


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_tokens_for_a_password(
    token_registry: Registry, private: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(token_registry.login(tmp_path / "login", password)))
    if password == PASSWORD:
        assert not look(f"{token_registry.host}/{private}").public
        return
    with pytest.raises(ImageRefused, match="refuses this machine's login"):
        look(f"{token_registry.host}/{private}")


def test_a_token_for_an_identity_token(
    token_registry: Registry, private: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {token_registry.host: {"auth": "", "identitytoken": IDENTITY}}})
    )
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert not look(f"{token_registry.host}/{private}").public


def test_a_login_of_a_credential_helper(
    registry: Registry, private: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-tested"
    said = json.dumps({"ServerURL": registry.host, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\necho '{said}'\n")
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {registry.host: "tested"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert not look(f"{registry.host}/{private}").public
    helper.unlink()
    with pytest.raises(ImageRefused, match="Docker's config cannot be read") as refused:
        look(f"{registry.host}/{private}")
    assert not refused.value.with_login


def test_a_login_of_netrc_is_nobodys(
    registry: Registry, private: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(ImageRefused):
        look(f"{registry.host}/{private}")


def test_of_several_platforms_the_one_of_the_pods(registry: Registry, token_registry: Registry, public: str) -> None:
    manifest = get_manifest(registry, public, MANIFEST)
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    entry = {"mediaType": MANIFEST, "digest": digest, "size": len(manifest)}
    # What BuildKit adds has the platform unknown/unknown.
    others = [{**entry, "platform": {"os": "unknown", "architecture": "unknown"}}]
    both = [*others, {**entry, "platform": {"os": "linux", "architecture": "amd64"}}]
    put_manifest(registry, "public/codecjob:both", INDEX, {"manifests": both})
    put_manifest(registry, "public/codecjob:other", INDEX, {"manifests": others})
    found = look(f"{token_registry.host}/public/codecjob:both")
    assert found.labels == LABELS
    assert digest not in found.pinned  # the index itself is what a pull names
    with pytest.raises(ImageMissing, match="none for linux/amd64"):
        look(f"{token_registry.host}/public/codecjob:other")


def test_an_image_for_another_machine(registry: Registry, token_registry: Registry) -> None:
    config = put_blob(registry, "public/codecjob", json.dumps({"os": "linux", "architecture": "arm64"}).encode())
    config["mediaType"] = "application/vnd.docker.container.image.v1+json"
    put_manifest(registry, "public/codecjob:arm", MANIFEST, {"config": config, "layers": []})
    with pytest.raises(ImageMissing, match="is for linux/arm64, not for linux/amd64"):
        look(f"{token_registry.host}/public/codecjob:arm")


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_no_answer_is_no_proof(silent: str, unused_port: int) -> None:
    with pytest.raises(NoAnswer, match="cannot be reached"):
        look(f"127.0.0.1:{unused_port}/me/codecjob:1")
    with pytest.raises(NoAnswer):  # one that waited without a limit would hang
        look(f"{silent}/me/codecjob:1", seconds=0.5)


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
