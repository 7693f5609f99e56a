"""How ranks end when one of them can't go on: one message, one exit code, whichever is first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENDS = """
import os, socket, sys, time, torch, torch.distributed as dist
from codec.errors import UserError
from codec.training.ranks import Ranks
torch.set_num_threads(1)

def refuse(ranks):
    raise UserError("bad input")

def one_refuses(ranks):
    if ranks.rank == 1:
        raise UserError("bad input")
    ranks.gather(None)

def join_late(*arguments, **settings):
    joined(*arguments, **settings)
    time.sleep(1)  # one that left without waiting would leave now
    print("joined")

work = {"refuse": refuse, "one_refuses": one_refuses}[sys.argv[1]]
joined = dist.init_process_group
dist.init_process_group = join_late
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
store = dist.TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)  # torchrun's
pids = []
for rank in range(2):
    if not (pid := os.fork()):
        os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2"}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
        if rank == 1:
            dist.init_process_group = joined
        code = 70
        try:
            with Ranks() as ranks:
                work(ranks)
        except SystemExit as error:
            code = error.code
        finally:
            print(f"{code}")
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
    pids.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 2
"""


@pytest.mark.parametrize("work", ["refuse", "one_refuses"])
def test_all_end_with_the_code_of_the_one_that_tells(tmp_path: Path, work: str) -> None:
    (tmp_path / "ends.py").write_text(ENDS)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-u", tmp_path / "ends.py", work]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.split() == ["joined", "2", "2"], "nobody leaves before all have joined"
    assert done.stderr == "error: bad input\n"
