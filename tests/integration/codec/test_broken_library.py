"""A library that is installed and cannot be loaded: one line and exit code 2 from every command, before it works."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CLIPS = ROOT / "examples" / "telugu" / "clips"


@pytest.mark.parametrize(
    ("library", "command"),
    [
        ("torchaudio", ["codec", "train", "--data_dir", str(CLIPS), "--checkpoint_dir", "run"]),
        ("torch", ["codec", "train", "--data_dir", str(CLIPS), "--checkpoint_dir", "run"]),
        ("torch", ["codec.launch", "--standalone", "--nproc_per_node", "2", "train", "--data_dir", str(CLIPS)]),
        ("torch", ["codec", "encode", str(CLIPS / "te0001.flac"), "out.cjc", "--model", "run"]),
        ("soundfile", ["codec", "plan", "--data_dir", str(CLIPS)]),
        ("soundfile", ["job", "preflight", str(ROOT / "examples" / "quickstart.yaml")]),
        ("yaml", ["job", "preflight", str(ROOT / "examples" / "quickstart.yaml")]),
        ("boto3", ["job", "status", "--store", "s3://bucket"]),
    ],
)
def test_the_library_and_the_cause_are_one_line(tmp_path: Path, library: str, command: list[str]) -> None:
    (tmp_path / f"{library}.py").write_text("raise OSError('libsomething.so.1: cannot open shared object file')\n")
    home = {"CODECJOB_HOME": str(tmp_path / "home"), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command],
        env=os.environ | home,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {library} ")
    assert "cannot be loaded: libsomething.so.1: cannot open shared object file; install codecjob" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
