"""What the look before the start makes of what a real registry says of an image."""

from pathlib import Path
from typing import Any

import pytest

import docker
from job.checks.finding import Finding, Level
from job.checks.preflight.image import about_image
from job.spec.load import check_spec
from job.spec.model import JobSpec
from servers.images import push_empty
from servers.registry import Registry


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-login"))
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))


def about(image: str | None, **changes: Any) -> tuple[JobSpec, Finding]:
    document = {"name": "a", "data": "/clips", "provider": "runpod", "image": image, **changes}
    spec, (finding,) = about_image(check_spec(document, "test"))
    assert finding.check == "image"
    return spec, finding


def test_a_public_image_is_pinned_with_the_cuda_of_its_label(
    engine: docker.DockerClient, registry: Registry, token_registry: Registry
) -> None:
    tag = f"{token_registry.host}/{push_empty(engine, registry, 'public')}"
    spec, finding = about(tag)
    assert finding.level is Level.NOTE
    assert spec.image == finding.message.split()[0].removesuffix(":")
    assert spec.image.startswith(f"{token_registry.host}/public/codecjob@sha256:")
    assert spec.pod.min_cuda == "13.0"
    assert about(tag, pod={"min_cuda": "12.6"})[0].pod.min_cuda == "12.6"
    missing = about(f"{tag}x")[1]
    assert (missing.level, "has no such image; check the name" in missing.message) == (Level.ERROR, True)


def test_an_image_without_labels_is_taken_with_a_warning(
    engine: docker.DockerClient, registry: Registry, token_registry: Registry
) -> None:
    spec, finding = about(f"{token_registry.host}/{push_empty(engine, registry, 'public', {})}")
    assert (finding.level, spec.pod.min_cuda) == (Level.WARNING, None)
    assert "was not built by codecjob" in finding.message
    assert "@sha256:" in str(spec.image)


def test_a_private_image_needs_the_providers_credential(
    engine: docker.DockerClient, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = f"{registry.host}/{push_empty(engine, registry, 'me')}"
    spec, finding = about(tag)
    assert (spec.image, finding.level) == (tag, Level.ERROR)
    assert "give its id as pod.registry" in finding.message
    unseen = about(tag, pod={"registry": "reg_1"})[1]
    assert unseen.level is Level.WARNING
    assert f"docker login {registry.host}" in unseen.message

    monkeypatch.setenv("DOCKER_CONFIG", str(registry.login(tmp_path / "login")))
    private = about(tag)[1]
    assert (private.level, "is private, and RunPod has no login for it" in private.message) == (Level.ERROR, True)
    cluster = about(tag, pod={"registry": "reg_1"}, nodes=2)[1]
    assert (cluster.level, "clusters take no other" in cluster.message) == (Level.ERROR, True)
    spec, finding = about(tag, pod={"registry": "reg_1"})
    assert (finding.level, finding.message.endswith("private")) == (Level.NOTE, True)
    assert "@sha256:" in str(spec.image)


def test_a_registry_without_an_answer_stops_nothing() -> None:
    tag = "127.0.0.1:9/me/codecjob:1"
    spec, finding = about(tag)
    assert (spec.image, finding.level) == (tag, Level.WARNING)
    assert "cannot be reached" in finding.message


def test_only_where_pulling_is_paid_is_a_registry_asked() -> None:
    assert about("127.0.0.1:9/me/codecjob:1", provider="docker")[1].level is Level.NOTE
    local = check_spec({"name": "a", "data": "/clips"}, "test")
    assert about_image(local) == (local, [])


def test_what_is_no_reference_is_an_error() -> None:
    assert about("Me/Codecjob:1")[1].level is Level.ERROR
