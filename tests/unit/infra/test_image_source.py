"""The image's source is where the program runs, or what the wheel carries of it."""

import shutil
from pathlib import Path

import pytest

from infra.engine import EngineError
from infra.image_source import PACKAGES, source_folder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, as an older wheel has made it."""
    for package in PACKAGES:
        (tmp_path / package / "__pycache__").mkdir(parents=True)
        shutil.copy(ROOT / package / "__init__.py", tmp_path / package)
    monkeypatch.setattr("infra.image_source.__file__", str(tmp_path / "infra" / "image_source.py"))
    return tmp_path


def test_a_checkout_is_taken_as_it_is() -> None:
    with source_folder() as folder:
        assert folder == ROOT
    with source_folder(ROOT) as folder:
        assert folder == ROOT


def test_an_installation_gives_a_copy_of_its_packages_and_of_what_it_carries(installed: Path) -> None:
    shutil.copytree(ROOT / "docker", installed / "infra" / "source" / "docker")
    with source_folder() as folder:
        files = {str(path.relative_to(folder)) for path in folder.rglob("*")}
        assert {"docker/Dockerfile", "codec/__init__.py", "infra/__init__.py", "job/__init__.py"} <= files
        assert not any("__pycache__" in name or "infra/source" in name for name in files)
    assert not folder.exists()


def test_what_has_no_dockerfile_is_refused(installed: Path) -> None:
    with pytest.raises(EngineError, match="is no checkout of codecjob"), source_folder(installed / "codec"):
        pass
    with pytest.raises(EngineError, match="install codecjob again"), source_folder():
        pass
