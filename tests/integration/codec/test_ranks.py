"""Two real processes that train one codebook over gloo (fault 5: statistics that aren't reduced drift apart)."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from codec.quantizer import ResidualQuantizer

DIM, SIZE, STAGES, STEPS = 4, 8, 3, 5

RANK = """
import sys, torch, torch.distributed as dist
from codec.quantizer import ResidualQuantizer
rank, folder, far = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "dead"
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
exchanges = []
all_reduce = dist.all_reduce
dist.all_reduce = lambda *a, **k: (exchanges.append(1), all_reduce(*a, **k))[1]
torch.manual_seed(100 + rank)  # the ranks draw different random numbers
batches = torch.load(f"{folder}/batches.pt")
quantizer = ResidualQuantizer(4, 8, 3)
quantizer.initialise(batches[0] if rank == 0 else torch.randn(2, 4, 30))
if far:
    quantizer.ema_usage[:, 0], quantizer.ema_sum[:, 0] = 1e-6, 1.0
for batch in batches:
    own = batch.chunk(2)[rank]
    quantizer.update(quantizer(own).statistics, 0.9, torch.tensor(True))
torch.save((quantizer.state_dict(), len(exchanges)), f"{folder}/rank{rank}.pt")
dist.destroy_process_group()
"""


def two_ranks(folder: Path, batches: Tensor, codes: str) -> list[dict[str, Tensor]]:
    torch.save(batches, folder / "batches.pt")
    processes = [subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(folder), codes]) for rank in (0, 1)]
    assert [process.wait(100) for process in processes] == [0, 0]
    states = []
    for rank in (0, 1):
        state, exchanges = torch.load(folder / f"rank{rank}.pt")
        assert exchanges == STEPS  # one for all stages of a step
        states.append(state)
    return states


@pytest.fixture
def batches() -> Tensor:
    return torch.randn(STEPS, 4, DIM, 60, generator=torch.Generator().manual_seed(0))


def test_fault_5_two_ranks_equal_one_rank_on_the_same_batch(tmp_path: Path, batches: Tensor) -> None:
    first, second = two_ranks(tmp_path, batches, "alive")
    torch.manual_seed(100)
    one = ResidualQuantizer(DIM, SIZE, STAGES)
    one.initialise(batches[0])
    for batch in batches:
        one.update(one(batch).statistics, 0.9, torch.tensor(True))
    for name, value in one.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, atol=1e-4, rtol=1e-4)


def test_fault_5_all_ranks_replace_a_dead_code_by_the_same_vector(tmp_path: Path, batches: Tensor) -> None:
    first, second = two_ranks(tmp_path, batches, "dead")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert float(first["ema_usage"][:, 0].min()) > 0.1  # it was replaced: its usage started at 1e-6
    codes = first["ema_sum"] / first["ema_usage"].unsqueeze(-1)
    assert float(codes.abs().max()) < 10
