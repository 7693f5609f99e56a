"""Pushing an image to a real registry that asks for a login. The image is an empty one with the right labels."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import docker
from infra.engine import EngineError, EngineRefuses
from infra.image import push
from servers.images import LABELS, empty_image
from servers.registry import Registry


@pytest.fixture
def tag(engine: docker.DockerClient, registry: Registry) -> Iterator[str]:
    tag = f"{registry.host}/me/codecjob:{uuid.uuid4().hex}"
    empty_image(engine, tag, LABELS)
    yield tag
    engine.images.remove(tag, force=True)


def quiet(sent: int, total: int) -> None:
    assert sent >= 0
    assert total > 0


def test_a_pushed_image_can_be_pulled_by_its_digest(
    engine: docker.DockerClient, tag: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(registry.login(tmp_path)))
    reference = push(tag, quiet)
    name, _, digest = reference.partition("@")
    assert name == tag.rpartition(":")[0]
    assert digest.startswith("sha256:")
    pulled = docker.from_env().images.pull(reference)
    assert pulled.labels == LABELS


def test_the_command_remembers_what_it_pushed(tag: str, registry: Registry, tmp_path: Path) -> None:
    env = {**os.environ, "DOCKER_CONFIG": str(registry.login(tmp_path)), "CODECJOB_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "job", "image", "push", tag, "--json"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    known = json.loads((tmp_path / "home" / "image.json").read_text())
    assert known["pushed"] == json.loads(done.stdout)["image"]
    assert known["cuda"] == "13.0"


@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_the_right_login_nothing_is_pushed(
    tag: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    if password:
        registry.login(tmp_path, password)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(EngineRefuses, match=f"docker login {registry.host}") as error:
        push(tag, quiet)
    assert "\n" not in str(error.value)


def test_only_an_image_of_codecjob_is_pushed(engine: docker.DockerClient, tag: str) -> None:
    with pytest.raises(EngineError, match="image build --tag"):
        push(f"{tag}-absent", quiet)
    other = f"{tag}-other"
    empty_image(engine, other, {})
    try:
        with pytest.raises(EngineError, match="was not built by codecjob"):
            push(other, quiet)
    finally:
        engine.images.remove(other, force=True)
