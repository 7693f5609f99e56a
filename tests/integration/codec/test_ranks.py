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

from codec.model.quantizer import ResidualQuantizer
from helpers import wait_until

DIM, SIZE, STEPS = 4, 8, 5
APART, NEARLY = 0.01, 0.001  # shares; 0.0025 and 0.00011 were measured

RANKS = """
import os, socket, sys, torch, torch.distributed as dist
from codec.training.adversary import Adversary
from codec.config import ModelConfig, TrainConfig
from codec.training.exchange import Exchange
from codec.model.quantizer import ResidualQuantizer, Window
from codec.training.ranks import Ranks
folder = sys.argv[1]
torch.set_num_threads(1)

def codebooks(ranks, stages, far=False, mean=0):
    exchanges = []
    all_reduce = dist.all_reduce
    dist.all_reduce = lambda *a, **k: (exchanges.append(1), all_reduce(*a, **k))[1]
    batches = torch.load(f"{folder}/batches.pt")
    quantizer = ResidualQuantizer(4, 8, stages, mean=mean)
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
    return quantizer.state_dict(), len(exchanges)

def discriminators(ranks):
    torch.manual_seed(0)
    model = ModelConfig(hidden_dim=8, strides=(2,), num_quantizers=1, codebook_size=8, codebook_dim=4)
    adversary = Adversary(TrainConfig(data_dir="", model=model, warmup_steps=0), ranks, torch.device("cpu"))
    start = {name: value.clone() for name, value in adversary.state()["discriminators"].items()}
    opinions = []
    for step, pair in enumerate(torch.load(f"{folder}/sounds.pt")):
        decoded, original = (part.chunk(ranks.world)[ranks.rank] for part in pair)
        opinion = adversary.judge(decoded, original, step)
        opinions.append((torch.stack(list(opinion.values)), opinion.gradient))
    return start, adversary.state()["discriminators"], opinions

def train(world, name, work):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pids = []
    for rank in range(world):
        if not (pid := os.fork()):
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
            os.environ |= {"LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            code = 1
            try:
                with Ranks() as ranks:
                    torch.save(work(ranks), f"{folder}/{name}{rank}.pt")
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * world

train(2, "alive", lambda ranks: codebooks(ranks, 3))
train(4, "dead", lambda ranks: codebooks(ranks, 3, far=True))
train(2, "differing", lambda ranks: codebooks(ranks, 7, mean=3))
train(1, "alone", discriminators)
train(2, "both", discriminators)
"""


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what groups of ranks have computed: forked from one process, so that torch is loaded but once."""
    folder = tmp_path_factory.mktemp("ranks")
    random = torch.Generator().manual_seed(0)
    torch.save(torch.randn(STEPS, 4, DIM, 60, generator=random), folder / "batches.pt")
    torch.save(0.1 * torch.randn(STEPS, 2, 4, 1, 600, generator=random), folder / "sounds.pt")
    (folder / "ranks.py").write_text(RANKS)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, folder / "ranks.py", folder], env=environment, check=True, timeout=500)
    return folder


@pytest.mark.parametrize(
    ("ranks", "codes", "stages", "mean"), [(2, "alive", 3, 0), (4, "dead", 3, 0), (2, "differing", 7, 3)]
)
def test_fault_5_ranks_keep_the_codebooks_of_one_rank_on_the_same_batch(
    forked: Path, ranks: int, codes: str, stages: int, mean: int
) -> None:
    (first, *others), exchanges = zip(*(torch.load(forked / f"{codes}{rank}.pt") for rank in range(ranks)), strict=True)
    assert exchanges == (STEPS,) * ranks  # one for all stages of a step
    batches = torch.load(forked / "batches.pt")
    one = ResidualQuantizer(DIM, SIZE, stages, mean=mean)
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


def test_ranks_have_the_discriminators_of_one_rank_and_nearly_its_opinion(forked: Path) -> None:
    """Nearly: features count as a share of their size, and each rank takes the size of its own part's."""
    start, alone, whole = torch.load(forked / "alone0.pt")
    (_, first, ours), (_, second, theirs) = (torch.load(forked / f"both{rank}.pt") for rank in range(2))
    for name, value in first.items():
        assert torch.equal(value, second[name])
    # AdamW makes a step of the full rate from a gradient that is but rounding: not each weight, but all together.
    moved = torch.cat([(alone[name] - start[name]).flatten() for name in alone])
    apart = torch.cat([(alone[name] - first[name]).flatten() for name in alone])
    assert float(moved.norm()) > 0
    assert float(apart.norm() / moved.norm()) < APART
    for (values, gradient), (mine, left), (yours, right) in zip(whole, ours, theirs, strict=True):
        torch.testing.assert_close((mine + yours) / 2, values, atol=1e-5, rtol=NEARLY)
        halves = torch.cat([left, right]) / 2  # what the ranks' mean makes of them
        assert float((halves - gradient).norm() / gradient.norm()) < NEARLY


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


def test_ranks_train_what_one_rank_trains_and_one_goes_on_where_they_were_stopped(uneven) -> None:
    whole, two = uneven("whole"), uneven("two")
    assert whole.run(num_epochs=2)[0] == 0

    process = two.start(ranks=2, num_epochs=2)
    wait_until(lambda: two.progress()["phase"] == "training" and two.progress()["epoch"] == 1)
    (two.folder / "stop.json").write_text("{}")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 3, err
    assert err == ""
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
        ({"hidden_dim": 9}, "--hidden_dim 9: must be divisible by 4"),
        ({"batch_size": 5}, "--batch_size 5: is the batch of all 2 processes together"),
        ({"data_dir": run.folder / "nowhere"}, "no such folder"),
    ]:
        code, _, err = run.run(ranks=2, **flags)
        assert code == 2, err
        assert complaint in err
        assert err.count("\n") == 1


def test_ranks_import_nothing_from_the_folder_they_start_in(trainer, tmp_path: Path) -> None:
    for name in ("codec.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit(7)\n")
    python, *words = trainer("run").command(ranks=2, data_dir=tmp_path / "nothing")
    command = [python, "-P", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "nothing" in done.stderr) == (2, True), done.stderr


def test_a_rank_that_dies_ends_the_run_and_a_launcher_that_is_killed_takes_its_ranks_along(trainer) -> None:
    run = trainer("run")
    process = run.start(ranks=2, look_seconds=5, num_epochs=100)  # as on a busy machine: it sees two ends at once
    wait_until(lambda: run.progress()["phase"] == "training")
    ranks = sorted(psutil.Process(process.pid).children(), key=lambda rank: int(rank.environ()["RANK"]))
    ranks[1].send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "rank 1 was killed by SIGKILL" in err

    process = run.start(ranks=2, num_epochs=100)
    wait_until(lambda: len(run.rows("start")) == 2)
    ranks = psutil.Process(process.pid).children()
    process.kill()
    process.communicate(timeout=300)  # until the last rank has closed its output
    wait_until(lambda: not any(rank.is_running() and rank.status() != psutil.STATUS_ZOMBIE for rank in ranks))
