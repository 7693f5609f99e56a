"""The built wheel in a fresh environment, outside the repository, with the newest packages that it allows."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CLIPS = ROOT / "examples" / "telugu" / "clips"
# 270 s of clips, 192 s a step: two steps.
TWO_STEPS = (
    *("--num_epochs", "1", "--batch_size", "96", "--segment_length", "32000", "--device", "cpu"),
    *(
        "--hidden_dim",
        "8",
        "--strides",
        "4,4,4",
        "--num_quantizers",
        "2",
        "--codebook_size",
        "16",
        "--codebook_dim",
        "4",
    ),
)
SOURCE = """
import shutil, sys
from infra.image_source import source_folder
with source_folder() as folder:
    shutil.copytree(folder, sys.argv[1])
"""


def run(*words: str | Path, folder: Path, **env: str) -> str:
    """What a command prints; it sees nothing of the repository."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(words, cwd=folder, env=clean | env, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def build(source: Path, target: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target, folder=source)
    (wheel,) = target.glob("codecjob-*.whl")
    return wheel


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder outside the repository, removed at once: an environment with torch has 5 GB."""
    with tempfile.TemporaryDirectory(prefix="codecjob-wheel-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    return build(ROOT, folder / "dist")


@pytest.fixture(scope="module")
def binaries(folder: Path, wheel: Path) -> Path:
    """The programs of a fresh environment with codecjob[train]."""
    python = folder / "env" / "bin" / "python"
    if uv := shutil.which("uv"):
        run(uv, "venv", "--quiet", "--python", sys.executable, folder / "env", folder=folder)
        run(uv, "pip", "install", "--quiet", "--python", python, f"{wheel}[train]", folder=folder)
    else:
        run(sys.executable, "-m", "venv", folder / "env", folder=folder)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[train]", folder=folder)
    return python.parent


def test_it_trains_encodes_and_decodes(binaries: Path, folder: Path) -> None:
    work = folder / "work"
    work.mkdir()
    codec = binaries / "codec"
    run(codec, "train", "--data_dir", CLIPS, "--checkpoint_dir", "run", *TWO_STEPS, folder=work, OMP_NUM_THREADS="1")
    rows = [json.loads(line) for line in (work / "run" / "metrics.jsonl").read_text().splitlines()]
    last = rows[-1]
    assert (last["kind"], last["step"]) == ("validation", 2)
    assert isinstance(last["loss"], float)
    assert isinstance(last["mel_distance"], float), "torchaudio's part"
    run(codec, "encode", next(CLIPS.glob("*.flac")), "out.cjc", "--model", "run", folder=work)
    run(codec, "decode", "out.cjc", "out.wav", "--model", "run", folder=work)


def test_the_two_commands_say_what_they_are(binaries: Path, folder: Path) -> None:
    assert run(binaries / "codecjob", "--version", folder=folder).startswith("codecjob, version ")
    run(binaries / "codecjob", "init", "job.yaml", "--data", CLIPS, folder=folder, CODECJOB_HOME=str(folder / "home"))
    assert (folder / "job.yaml").exists()


def test_an_image_can_be_built_from_what_is_installed(binaries: Path, folder: Path, wheel: Path) -> None:
    run(binaries / "python", "-P", "-c", SOURCE, folder / "source", folder=folder)
    for name in ("Dockerfile", "build.lock", "requirements.lock", "wheels.sh"):
        assert (folder / "source" / "docker" / name).read_bytes() == (ROOT / "docker" / name).read_bytes()
    again = build(folder / "source", folder / "again")
    assert again.read_bytes() == wheel.read_bytes(), "the image installs what the checkout would"
