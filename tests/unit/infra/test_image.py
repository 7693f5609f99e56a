"""The image's inputs agree with each other, and what cannot be built says why before anything is sent to an engine."""

import re
from pathlib import Path

import pytest

from infra.engine import EngineError
from infra.image import build, locked, name_of

ROOT = Path(__file__).parents[3]


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("lock", ["requirements.lock", "build.lock"])
def test_the_images_locks_hold_the_projects_versions(lock: str) -> None:
    project, image = pins(ROOT / "requirements.lock"), pins(ROOT / "docker" / lock)
    assert image
    assert {name: version for name, version in image.items() if project.get(name) != version} == {}


def test_the_image_has_no_development_tools() -> None:
    image = pins(ROOT / "docker" / "requirements.lock")
    assert {"torch", "torchaudio", "boto3", "docker"} <= set(image)
    assert not {"pytest", "mypy", "ruff", "hypothesis", "hatchling"} & set(image)


def test_the_dockerfiles_defaults_are_those_of_the_lock() -> None:
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE))
    assert (arguments["TORCH"], arguments["CUDA"]) == locked(ROOT)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("codecjob", "codecjob"),
        ("me/codecjob:1", "me/codecjob"),
        ("127.0.0.1:5000/codecjob", "127.0.0.1:5000/codecjob"),
        ("127.0.0.1:5000/codecjob:1@sha256:ab", "127.0.0.1:5000/codecjob"),
    ],
)
def test_the_name_of_a_reference(reference: str, name: str) -> None:
    assert name_of(reference) == name


def refused(source: Path, **options: str) -> str:
    with pytest.raises(EngineError) as error:
        build(source, "x:1", lambda line: None, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.slow
def test_what_cannot_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--torch-index URL" in refused(ROOT, cuda="12.6")
    said = refused(ROOT, cuda="12.6", torch_index="https://me:hunter2@index.example/cu126")
    assert "credential" in said
    assert "hunter2" not in said
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody/listens.sock")
    assert "no Docker engine answers" in refused(ROOT)
