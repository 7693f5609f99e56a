"""codecjob init: flags for scripts, questions for a person at a terminal."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from job.cli import cli
from job.spec.load import load_spec


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CODECJOB_STORE", raising=False)
    return tmp_path


def init(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["init", *words])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.slow
def test_without_a_terminal_it_asks_nothing(here: Path) -> None:
    code, out, err = init("My Lab")
    assert code == 0
    assert out.splitlines() == ["wrote My Lab/job.yaml", "next: codecjob preflight 'My Lab/job.yaml'"]
    assert "clips is not there yet" in err
    spec = load_spec(here / "My Lab" / "job.yaml")
    assert (spec.name, spec.data, spec.provider) == ("my-lab", here / "My Lab" / "clips", "local")


@pytest.mark.slow
def test_flags_become_the_spec(here: Path) -> None:
    (here / "speech").mkdir()
    flags = ["--provider", "runpod", "--store", "s3://bucket/lab", "--gpu", "L40S", "--gpu", "A40", "--max-cost", "20"]
    code, out, err = init("a/run.yml", "--data", "speech", "--recipe", "perceptual", *flags, "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["path"] == "a/run.yml"
    assert document["next"] == "codecjob preflight a/run.yml"
    spec = load_spec(here / "a" / "run.yml")
    assert document["spec"] == spec.model_dump(mode="json")
    assert (spec.name, spec.data, spec.gpu) == ("run", here / "speech", ("L40S", "A40"))
    assert (spec.store, spec.max_cost) == ("s3://bucket/lab", 20.0)
    assert (spec.train.recipe, spec.checklist.recipe) == ("perceptual", "perceptual")


@pytest.mark.slow
def test_a_rented_pod_needs_a_store_that_it_reaches(here: Path) -> None:
    assert "needs an s3:// store" in init("--provider", "runpod")[2]


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["--name", "Bad Name"], ["--preset", "1kbps"], ["--max-cost", "-1"]])
def test_what_is_refused_leaves_nothing(here: Path, flags: list[str]) -> None:
    code, out, err = init("lab", *flags)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert not (here / "lab").exists()


@pytest.mark.slow
def test_a_file_that_is_there_is_never_touched(here: Path) -> None:
    (here / "job.yaml").write_text("mine")
    code, out, err = init()
    assert (code, out) == (2, "")
    assert "job.yaml is there already" in err
    assert (here / "job.yaml").read_text() == "mine"


@pytest.mark.slow
def test_on_a_terminal_it_asks_for_what_no_flag_gives(here: Path) -> None:
    keyboard, terminal = pty.openpty()
    # The name is a flag; then data, provider, store, GPU (return: the cheapest) and budget.
    os.write(keyboard, b"speech\nrunpod\ns3://bucket/lab\n\n7.5\n")
    command = [sys.executable, "-m", "job", "init", "--name", "asked"]
    done = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=60, check=False)
    os.close(keyboard)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert "name of the runs" not in done.stderr
    spec = load_spec(here / "job.yaml")
    assert (spec.name, spec.data, spec.provider) == ("asked", here / "speech", "runpod")
    assert (spec.store, spec.gpu, spec.max_cost) == ("s3://bucket/lab", (), 7.5)
