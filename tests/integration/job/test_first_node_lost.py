"""Two nodes that train together for real, as plain processes, and the end of the first, which keeps the record."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from job.dataset import look_at, push
from job.pod.trainer import LOST_OTHERS
from job.record.documents import Claim, Submission
from job.record.run import Run
from job.run.pod_env import client_part
from job.spec.load import load_spec
from servers.server import free_ports

# The node as it is, but for how long the first may be silent.
SECOND = "import sys, job.pod.worker_node; job.pod.worker_node.SILENT_SECONDS = 3; sys.exit(job.pod.worker_node.main())"


def start(desk: Any, run: Run, rank: int, port: int, *words: str) -> "subprocess.Popen[bytes]":
    workspace: Path = desk.folder / f"node{rank}"
    workspace.mkdir()
    env = {**desk.env, **client_part(run.run_id, 1, desk.store.url, time.time() + 600)}
    env |= {"CODECJOB_POD_ID": "pod", "CODECJOB_LAUNCH_ID": "launch", "CODECJOB_WORKSPACE": str(workspace)}
    env |= {"CODECJOB_PROVIDER": "docker", "NUM_NODES": "2", "NODE_RANK": str(rank), "CODECJOB_EXIT_ENDS_POD": "1"}
    env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    with (workspace / "output").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, *words], env=env, cwd=workspace, stdout=output, stderr=output, start_new_session=True
        )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """With all that it has started, at once: as a machine that is gone."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for each in family:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(60)


def test_the_others_say_so_when_the_first_node_is_gone(desk: Any) -> None:
    long = {"num_epochs": 2000}
    spec = load_spec(desk.spec(provider="docker", image="me/codec:1", nodes=2, gpu_count=0, train=long))
    run = Run(desk.store, "tiny-20260101-000000-0000")
    dataset = push(desk.store, look_at(spec.data, 16000)).dataset_id
    run.create(Submission(submitted=time.time(), dataset=dataset, spec=spec.model_dump(mode="json")))
    attempt, (port,) = run.attempt(1), free_ports(1)
    attempt.write_once("claim.json", Claim(launch_id="launch", pod_id="pod", price_per_hour=0.0, time=time.time()))
    first = start(desk, run, 0, port, "-P", "-m", "job.supervisor")
    second = start(desk, run, 1, port, "-c", SECOND)
    try:
        (began, *_) = desk.wait_for(lambda: [row for row in run.rows() if row.kind == "start"])
        assert began.get("ranks") == 2
        desk.wait_for(attempt.checkpoints)
        kill(first)
        assert second.wait(120) == 1, (desk.folder / "node1" / "output").read_text()
    finally:
        kill(first)
        kill(second)
    outcome = attempt.outcome()
    assert outcome is not None
    assert (outcome.outcome, outcome.by) == ("failed", "node 1")
    assert outcome.cause == "node lost"
    assert outcome.reason == "a node was lost: node 0 of 2 does not answer any more"
    assert attempt.events()[-1]["by"] == "node 1"
    beat = attempt.node_beat(1)
    assert beat is not None
    assert (beat.state, beat.exit_code) == ("ended", LOST_OTHERS)
    assert run.newest_checkpoint() is not None, "the next attempt goes on from there"
    desk.wait_for(lambda: not any(f"{desk.folder}/node" in " ".join(cmdline(each)) for each in psutil.process_iter()))


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
