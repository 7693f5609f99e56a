"""How a node's trainer is started: alone, by torchrun, and with other nodes."""

import sys
from pathlib import Path
from typing import Any

import pytest

from job.pod.shipper import last_error
from job.pod.trainer import command, environment, how_it_ended
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


@pytest.mark.parametrize(
    ("paid", "train", "device"),
    [
        ("1", {}, ["--device", "cuda"]),
        ("2", {"device": "auto"}, ["--device", "cuda"]),
        ("1", {"device": "cpu"}, []),
        ("0", {}, []),
        (None, {}, []),
    ],
)
def test_a_gpu_that_is_paid_for_is_used(
    monkeypatch: pytest.MonkeyPatch, paid: str | None, train: dict[str, str], device: list[str]
) -> None:
    """On the CPU it would train at the GPU's price, to max_hours."""
    monkeypatch.delenv("CODECJOB_GPUS", raising=False)
    if paid is not None:
        monkeypatch.setenv("CODECJOB_GPUS", paid)
    line = words(train=train)
    assert line[-2:] == device if device else "cuda" not in line


ECC = """Traceback (most recent call last):
  File "/opt/codecjob/codec/training/train.py", line 1, in <module>
    loss.backward()
{prefix}torch.AcceleratorError: CUDA error: {error}
Search for `cudaErrorECCUncorrectable' in the CUDA documentation for more information.
CUDA kernel errors might be asynchronously reported at some other API call.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""


@pytest.mark.parametrize("prefix", ["", "[rank0]: "])
@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ("uncorrectable ECC error encountered", "the GPU or its host is faulty: resume in another data center"),
        ("unspecified launch failure", "the GPU or its host is faulty"),
        ("CUDA-capable device(s) is/are busy or unavailable", "the GPU or its host is faulty"),
        ("an illegal memory access was encountered", "an error of the program, most likely"),
        ("device-side assert triggered", "an error of the program, most likely"),
        ("out of memory", ""),
    ],
)
def test_a_crash_on_a_gpu_names_its_error(tmp_path: Path, prefix: str, error: str, fault: str) -> None:
    log = tmp_path / "job.log"
    log.write_text(ECC.format(prefix=prefix, error=error))
    said = how_it_ended(1, last_error(log))
    assert f"the trainer crashed with exit code 1: {prefix}torch.AcceleratorError: CUDA error: {error}" in said
    assert (fault in said) if fault else said.endswith(error)


def test_a_signal_without_a_name_is_no_error_of_ours() -> None:
    assert how_it_ended(-33, "") == "the trainer was killed by signal 33"
