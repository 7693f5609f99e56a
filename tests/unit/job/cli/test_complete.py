"""Completion as the real shell asks for it."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.store import Store, open_store
from job.cli import COMMANDS
from job.cli.complete import SECONDS
from job.record.documents import Submission
from job.record.run import Run

OLDER, NEWER, OTHER = "speech-20250102-030405-00ff", "speech-20250203-040506-00aa", "music-20250101-010101-0001"
SHELL = 'eval "$(_CODECJOB_COMPLETE=bash_source "$0")"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
SHELL += "_codecjob_completion codecjob; echo END; printf '%s\\n' \"${COMPREPLY[@]}\""


def submit(store: Store, run_id: str) -> None:
    Run(store, run_id).create(Submission(submitted=1.0, dataset="0123456789abcdef", spec={}))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home with three runs in its store."""
    for run_id in (OLDER, NEWER, OTHER):
        submit(open_store(str(tmp_path / "store")), run_id)
    return tmp_path


def offered(home: Path, *words: str, **env: str) -> list[str]:
    """What bash holds as answers after a tab behind these words; nothing else may be said."""
    command = Path(sys.executable).with_name("codecjob")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CODECJOB_", "AWS_"))}
    env = {**clean, "PATH": f"{command.parent}:{os.environ['PATH']}", "CODECJOB_HOME": str(home), **env}
    done = subprocess.run(
        ["bash", "--norc", "-c", SHELL, command, "codecjob", *words],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    said, _, answers = done.stdout.partition("END\n")
    assert (said, done.stderr) == ("", "")
    return answers.split()


@pytest.mark.slow
def test_commands(home: Path) -> None:
    assert offered(home, "re") == ["report", "reconcile", "resume"]
    assert offered(home, "") == list(COMMANDS)
    assert "--version" in offered(home, "--")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["status", "stop", "diff"])
def test_runs_newest_first(home: Path, command: str) -> None:
    assert offered(home, command, "") == [NEWER, OLDER, OTHER]
    assert offered(home, command, "sp") == [NEWER, OLDER]


@pytest.mark.slow
def test_a_file_may_stand_for_a_run_of_diff(home: Path) -> None:
    command = Path(sys.executable).with_name("codecjob")
    env = {**os.environ, "CODECJOB_HOME": str(home), "COMP_WORDS": "codecjob diff job.y", "COMP_CWORD": "2"}
    env["_CODECJOB_COMPLETE"] = "bash_complete"
    assert subprocess.check_output([command], env=env, text=True, timeout=120).strip() == "file,job.y"


@pytest.mark.slow
def test_runs_of_another_store(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    submit(open_store(str(elsewhere)), "far-20250101-010101-0002")
    assert offered(home, "logs", "--store", str(elsewhere), "") == ["far-20250101-010101-0002"]
    assert offered(home, "logs", "", CODECJOB_STORE=str(elsewhere)) == ["far-20250101-010101-0002"]


@pytest.mark.slow
def test_a_store_that_cannot_be_read_is_no_word(home: Path) -> None:
    for store in ("s3://x@y", "gopher://z", "/dev/null/store"):
        assert offered(home, "stop", "", CODECJOB_STORE=store) == []


@pytest.mark.slow
def test_a_store_that_hangs_leaves_what_is_remembered(home: Path) -> None:
    (home / "known-runs.json").write_text(f'{{"{OLDER}": "s3://bucket"}}')
    with socket.socket() as silent:  # takes connections, never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = f"s3://bucket?endpoint=http://127.0.0.1:{silent.getsockname()[1]}"
        keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-1"}
        begun = time.monotonic()
        assert offered(home, "stop", "", CODECJOB_STORE=store, **keys) == [OLDER]
        assert time.monotonic() - begun < 100 + SECONDS  # far below the store's own patience
