"""Real processes that train together over gloo are one process on the same batch."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import safetensors.torch
import soundfile
import torch
from torch import Tensor

from codec.quantizer import ResidualQuantizer

DIM, SIZE, STAGES, STEPS = 4, 8, 3, 5

RANK = """
import sys, torch, torch.distributed as dist
from codec.exchange import Exchange
from codec.quantizer import ResidualQuantizer, Window
from codec.ranks import Ranks
folder, far = sys.argv[1], sys.argv[2] == "dead"
torch.set_num_threads(1)
with Ranks() as ranks:
    exchanges = []
    all_reduce = dist.all_reduce
    dist.all_reduce = lambda *a, **k: (exchanges.append(1), all_reduce(*a, **k))[1]
    batches = torch.load(f"{folder}/batches.pt")
    quantizer = ResidualQuantizer(4, 8, 3)
    torch.manual_seed(100 + ranks.rank)  # what rank 0 alone does leaves the ranks with other random numbers
    if ranks.first:
        quantizer.initialise(batches[0])
    ranks.share_tensors(quantizer.state_dict().values())
    ranks.share_random_state(torch.device("cpu"))
    if far:
        quantizer.ema_usage[:, 0], quantizer.ema_sum[:, 0] = 1e-6, 1.0
    for batch in batches:
        own = batch.chunk(ranks.world)[ranks.rank]
        vectors = torch.tensor(own.shape[0] * own.shape[2])
        out = quantizer(own, window=Window(vectors * ranks.rank, vectors * ranks.world, ranks.world))
        statistics = Exchange(ranks, out.statistics, [out.power], stop=False).finish().statistics
        quantizer.update(statistics, 0.9, torch.tensor(True))
    torch.save((quantizer.state_dict(), len(exchanges)), f"{folder}/rank{ranks.rank}.pt")
"""


def train_codebooks(folder: Path, batches: Tensor, codes: str, ranks: int) -> list[dict[str, Tensor]]:
    torch.save(batches, folder / "batches.pt")
    (folder / "rank.py").write_text(RANK)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([*launcher, folder / "rank.py", folder, codes], env=environment, check=True, timeout=100)
    states = []
    for rank in range(ranks):
        state, exchanges = torch.load(folder / f"rank{rank}.pt")
        assert exchanges == STEPS  # one for all stages of a step
        states.append(state)
    return states


@pytest.mark.parametrize(("ranks", "codes"), [(2, "alive"), (4, "dead")])
def test_fault_5_ranks_keep_the_codebooks_of_one_rank_on_the_same_batch(tmp_path: Path, ranks: int, codes: str) -> None:
    batches = torch.randn(STEPS, 4, DIM, 60, generator=torch.Generator().manual_seed(0))
    first, *others = train_codebooks(tmp_path, batches, codes, ranks)
    one = ResidualQuantizer(DIM, SIZE, STAGES)
    torch.manual_seed(100)
    one.initialise(batches[0])
    if codes == "dead":
        one.ema_usage[:, 0], one.ema_sum[:, 0] = 1e-6, 1.0
    for batch in batches:
        one.update(one(batch).statistics, 0.9, torch.tensor(True))
    for name, value in one.state_dict().items():
        assert all(torch.equal(first[name], other[name]) for other in others)
        torch.testing.assert_close(first[name], value, atol=1e-5, rtol=1e-5)
    if codes == "dead":  # it was replaced, by the same vector as on one rank: its usage started at 1e-6
        assert float(one.ema_usage[:, 0].min()) > 0.1


def weights(folder: Path, step: int) -> dict[str, Tensor]:
    return safetensors.torch.load_file(folder / "checkpoints" / f"{step:08d}" / "model.safetensors")


@pytest.fixture
def uneven(trainer):
    """trainer(name) as ever; one clip is shorter than a segment, so ranks have unequal shares of real samples."""
    clips = trainer("").clips
    audio, rate = soundfile.read(clips / "0.wav")
    for k in range(6, 9):
        soundfile.write(clips / f"{k}.wav", np.roll(audio, k)[: 100 * k], rate)
    return trainer


def assert_same(run, whole) -> None:
    last = whole.rows("validation")[-1]
    assert len(run.rows("validation")) == len(whole.rows("validation"))
    for name, value in weights(whole.folder, last["step"]).items():
        torch.testing.assert_close(weights(run.folder, last["step"])[name], value, atol=1e-5, rtol=1e-5)
    for name in ("loss", "snr_db", "amplitude"):
        assert run.rows("validation")[-1][name] == pytest.approx(last[name], abs=1e-3)


def test_ranks_train_what_one_rank_trains(uneven, wait_until) -> None:
    """Four; and two that are stopped, and resumed by one."""
    whole, four, two = uneven("whole"), uneven("four"), uneven("two")
    assert whole.run(num_epochs=2)[0] == 0
    assert four.run(ranks=4, num_epochs=2)[0] == 0
    assert_same(four, whole)

    process = two.start(ranks=2, num_epochs=2)
    wait_until(lambda: two.progress()["phase"] == "training")
    (two.folder / "stop.json").write_text("{}")
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (3, "")
    assert "stopped on request" in out.splitlines()[-1]
    assert not (two.folder / "stop.json").exists()
    stopped_at = two.progress()["step"]
    assert two.run(num_epochs=2)[0] == 0
    starts = two.rows("start")
    assert [row["ranks"] for row in starts] == [2, 1]
    assert starts[1]["resumed_from"] == f"{stopped_at:08d}"
    assert_same(two, whole)


def test_what_is_wrong_is_said_once(trainer) -> None:
    run = trainer("run")
    for flags, complaint in [
        ({"nothing": 1}, "No such option"),
        ({"hidden_dim": 9}, "--hidden_dim 9: must be divisible by 4"),
        ({"batch_size": 5}, "--batch_size 5: is the batch of all 2 processes together"),
        ({"data_dir": run.folder / "nowhere"}, "no such folder"),
    ]:
        code, _, err = run.run(ranks=2, **flags)
        assert code == 2
        assert complaint in err
        assert err.count("\n") == 1


def test_a_rank_that_dies_ends_the_run_and_a_launcher_that_is_killed_takes_its_ranks_along(trainer, wait_until) -> None:
    run = trainer("run")
    process = run.start(ranks=2, num_epochs=100)
    wait_until(lambda: run.progress()["phase"] == "training")
    ranks = psutil.Process(process.pid).children()
    ranks[1].send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "rank 1 was killed by SIGKILL" in err

    process = run.start(ranks=2, num_epochs=100)
    wait_until(lambda: len(run.rows("start")) == 2)
    ranks = psutil.Process(process.pid).children()
    process.kill()
    process.communicate()
    wait_until(lambda: not any(rank.is_running() and rank.status() != psutil.STATUS_ZOMBIE for rank in ranks))
