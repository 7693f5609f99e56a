"""A user's folder for the commands of the documents: clips, specs, two ended runs, a model, a metrics file."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.tiny import TINY
from infra.pods.local import LocalProvider
from job.verdict.rules.limits import DEFAULT_CAUSES

ROOT = Path(__file__).parents[3]
CLIPS = ROOT / "examples" / "telugu" / "clips"
# The documents' own specs would train for minutes.
SMALL = {**TINY, "num_epochs": 1}
# What a minute of training cannot be asked for is taken out, so that a tiny run ends GOOD.
EASY = {
    "min_steps": 1,
    "signs": {"snr_db": {"good_above": -50, "bad_below": -60}, "amplitude": None},
    "improvement": None,
    "causes": dict.fromkeys(DEFAULT_CAUSES),
}
HARD = {"min_steps": 1}
SPECS: dict[str, dict[str, Any]] = {
    "examples/bad-run.yaml": {"name": "bad-run", "data": "../clips", "train": SMALL, "checklist": HARD},
    "examples/quickstart.yaml": {"name": "quickstart", "data": "../clips", "train": SMALL, "checklist": EASY},
    "job.yaml": {"name": "my-first", "data": "clips", "train": {**TINY, "num_epochs": 100_000}, "checklist": EASY},
}


@dataclass
class Reader:
    """Somebody who types what the documents say, in a folder that is the home folder, too."""

    folder: Path

    def types(self, script: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Runs the lines; the first error ends them."""
        foreign = ("AWS_", "CODECJOB_", "RUNPOD_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        env |= {
            "HOME": str(self.folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
        }
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=env | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as every page finds it; made once for all processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / "reader"
    with (base / "reader.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _furnish(base / "reader.new")
            (base / "reader.new").rename(folder)
    return folder


def _furnish(folder: Path) -> None:
    (folder / "examples" / "telugu").mkdir(parents=True)
    (folder / "clips").mkdir()
    for path in sorted(CLIPS.glob("*.flac"))[:6]:
        shutil.copy(path, folder / "clips")
    (folder / "examples" / "telugu" / "clips").symlink_to("../../clips")
    (folder / "telugu").symlink_to("clips")
    (folder / "infra").symlink_to(ROOT / "infra")
    shutil.copy(ROOT / "tests" / "bench" / "verdicts" / "rows" / "healthy_valley.jsonl", folder / "metrics.jsonl")
    for name, spec in SPECS.items():
        (folder / name).write_text(yaml.safe_dump(spec))
    script = """
        codecjob submit examples/bad-run.yaml || test $? -eq 21
        codecjob submit examples/quickstart.yaml
        codecjob pull @last run1
        cp run1/samples/0001/0-original.wav speech.wav
    """
    done = Reader(folder).types(script)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / ".codecjob" / "known-runs.json").unlink()  # knows this folder's name, and each page has a copy


@pytest.fixture
def reader(furnished: Path, tmp_path: Path) -> Iterator[Reader]:
    """One page's reader, in a folder of their own. What still runs in the end is ended."""
    folder = tmp_path / "reader"
    shutil.copytree(furnished, folder, symlinks=True)
    # The copy is to be the store itself, and its runs those of this home: neither is a copy to its reader.
    store = folder / ".codecjob" / "store"
    for path in (store / "store.json", *store.glob("runs/*/orders/*/claim.json")):
        path.write_text(path.read_text().replace(f"{furnished}.new", str(folder)))
    yield Reader(folder)
    provider = LocalProvider(folder / ".codecjob")
    for pod in provider.find(None):
        provider.terminate(pod.id)
