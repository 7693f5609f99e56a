from pathlib import Path

import pytest

from job.pod.healthcheck import problem

AGENT = b"/opt/codecjob/bin/python\0-m\0job.pod.agent\0"


def process(proc: Path, pid: int, command: bytes, state: str) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(command)
    (folder / "stat").write_text(f"{pid} (a (strange) name) {state} 1 1 1")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    process(tmp_path / "proc", 1, b"tini\0--\0", "S")
    return tmp_path / "proc"


def test_an_agent_at_work_is_healthy_and_leaves_no_probe(proc: Path, tmp_path: Path) -> None:
    process(proc, 7, AGENT, "S")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    assert problem(workspace, proc) is None
    assert list(workspace.iterdir()) == []


@pytest.mark.parametrize("state", ["T", "t", "Z"])
def test_an_agent_that_does_nothing_is_not(proc: Path, tmp_path: Path, state: str) -> None:
    process(proc, 7, AGENT, state)
    assert problem(tmp_path, proc) == f"the agent is in state {state}"


def test_no_agent(proc: Path, tmp_path: Path) -> None:
    process(proc, 7, b"python\0-m\0job.pod.agentless\0", "R")
    assert problem(tmp_path, proc) == "no agent runs"


def test_a_workspace_that_cannot_be_written_to(proc: Path, tmp_path: Path) -> None:
    process(proc, 7, AGENT, "R")
    gone = tmp_path / "gone"
    assert problem(gone, proc) == f"cannot write to {gone}: No such file or directory"
