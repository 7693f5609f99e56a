"""The folder that the pod's image is built from: a checkout, or what an installed codecjob carries of one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.engine import EngineError

DOCKERFILE = "docker/Dockerfile"
PACKAGES = ("codec", "infra", "job")
# Where the wheel has the files beside the packages (pyproject.toml, force-include). A checkout has no such folder.
CARRIED = "source"


@contextmanager
def source_folder(checkout: Path | None = None) -> Iterator[Path]:
    """Around a build: the given checkout, else the one that this very program runs from, else a temporary copy of it.

    Raises:
        EngineError: a folder that is no checkout, or an installation without the files.
    """
    here = checkout or Path(__file__).parents[1]
    if (here / DOCKERFILE).is_file():
        yield here
        return
    if checkout:
        raise EngineError(f"{checkout} is no checkout of codecjob: it has no {DOCKERFILE}")
    carried = here / "infra" / CARRIED
    if not (carried / DOCKERFILE).is_file():
        raise EngineError(f"this installation has no {DOCKERFILE}: install codecjob again, or --source DIR, a checkout")
    with tempfile.TemporaryDirectory(prefix="codecjob-image-") as name:
        folder = Path(name)
        shutil.copytree(carried, folder, dirs_exist_ok=True)
        for package in PACKAGES:
            shutil.copytree(here / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.rmtree(folder / "infra" / CARRIED)
        yield folder
