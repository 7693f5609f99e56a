"""How a node's trainer is started: alone, by torchrun, and with other nodes."""

import sys
from pathlib import Path
from typing import Any

import pytest

from job.pod.trainer import command, environment
from job.run.pod_env import Place
from job.spec.load import check_spec


def words(place: Place | None = None, **keys: Any) -> list[str]:
    spec = check_spec({"name": "speech", "data": "/clips", "train": {"num_epochs": 3}, **keys}, "test")
    return command(spec, "speech-1", Path("/data"), Path("/out"), place)


@pytest.mark.slow
@pytest.mark.parametrize("keys", [{}, {"gpu_count": 0}, {"gpu_count": 1}])
def test_one_process_needs_no_launcher(keys: dict[str, Any]) -> None:
    line = words(**keys)
    assert line[:5] == [sys.executable, "-P", "-m", "codec", "train"]
    assert line[5:9] == ["--data_dir", "/data", "--checkpoint_dir", "/out"]


def test_each_gpu_has_its_process() -> None:
    line = words(gpu_count=2)
    assert line[1:7] == ["-P", "-m", "codec.launch", "--nproc-per-node=2", "--standalone", "train"]
    assert line[7:] == words()[5:]


@pytest.mark.parametrize(("gpu_count", "processes"), [(0, 1), (1, 1), (4, 4)])
def test_nodes_meet_at_a_place_that_all_know(gpu_count: int, processes: int) -> None:
    line = words(Place(3, 2, "node0", 29500), gpu_count=gpu_count, nodes=3)
    launcher = line[: line.index("train")]
    assert launcher[1:5] == ["-P", "-m", "codec.launch", f"--nproc-per-node={processes}"]
    meeting = ["--nnodes=3", "--node-rank=2", "--master-addr=node0", "--master-port=29500"]
    assert launcher[5:9] == meeting
    assert not any(word.startswith("--rdzv-backend") for word in launcher), "RunPod's clusters know only static"


def test_every_attempt_goes_on_with_the_same_wandb_run_and_only_where_wandb_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)
    wanted = check_spec({"name": "a", "data": "b", "wandb": True}, "here")
    given = environment(wanted, "run-1")
    assert (given["WANDB_RUN_ID"], given["WANDB_RESUME"], given["KEPT"]) == ("run-1", "allow", "1")
    assert "WANDB_RUN_ID" not in environment(check_spec({"name": "a", "data": "b"}, "here"), "run-1")
