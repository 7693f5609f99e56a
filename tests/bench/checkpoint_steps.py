"""Whether the steps that follow a checkpoint are slower while it goes up: python -m tests.bench.checkpoint_steps.

The real trainer, and beside it what the agent does with checkpoints: the courier, to a radosgw on this machine. Only
every other checkpoint is offered to it, so both kinds are of one training under one load. Each step is timed by its
row; the steps after a checkpoint are set against those before it. First everything shares all cores, as nowhere but on
a machine without a GPU; then the trainer has a core of its own, and courier and server share the others.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # for the launchers in tests/servers

from infra.store import open_store  # noqa: E402
from job.pod.checkpoint_uploader import Courier  # noqa: E402
from job.record.attempt import Attempt  # noqa: E402
from job.record.checkpoints import complete_checkpoints  # noqa: E402
from servers.radosgw import running_radosgw  # noqa: E402

CLIPS = 2
STEPS = 8  # before and after a checkpoint
POLL_SECONDS = 0.05
# Short steps, so that an upload lasts for several of them, and checkpoints of 36 MB.
FLAGS = "--hidden_dim 256 --strides 2,4,5,8 --segment_length 2048 --batch_size 1 --warmup_steps 20 --device cpu"
# A row for each step, where a row of two seconds' steps is enough for everybody else.
TRAINER = "import codec.training.run_logger as r; r.ROW_SECONDS = 0.0; from codec.cli import main; main()"


@dataclass
class Watched:
    """What a training showed: when each checkpoint was complete, and how long those took that went up."""

    saved: dict[int, float] = field(default_factory=dict)
    """Unix seconds by step."""
    seconds_up: dict[int, float] = field(default_factory=dict)


@click.command()
@click.option("--epochs", default=16, show_default=True, help="One checkpoint each, every other of which goes up.")
def main(epochs: int) -> None:
    """Print the time of steps after a checkpoint as a share of that of the steps before it."""
    everything = os.sched_getaffinity(0)
    _run("all on all cores", epochs, everything, everything)
    if len(everything) > 1:
        own = {min(everything)}
        _run("a core for the trainer alone", epochs, own, everything - own)


def _run(name: str, epochs: int, trainer_cores: set[int], other_cores: set[int]) -> None:
    os.sched_setaffinity(0, other_cores)
    with tempfile.TemporaryDirectory(prefix="codecjob-bench-") as folder_name:
        folder = Path(folder_name)
        (folder / "clips").mkdir()
        for clip in sorted((ROOT / "examples" / "telugu" / "clips").glob("*.flac"))[:CLIPS]:
            (folder / "clips" / clip.name).write_bytes(clip.read_bytes())
        (folder / "server").mkdir()
        with running_radosgw(folder / "server") as (server, *_):
            os.environ |= server.env()
            store = open_store(server.new_url())
            courier = Courier(Attempt(store, "bench", 1), folder / "run" / "outbox", click.echo)
            courier.start()
            click.echo(f"\n{name}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            with _training(folder, epochs, trainer_cores) as trainer:
                watched = _watch(trainer, folder / "run", courier)
        rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    _report(rows, watched)


@contextlib.contextmanager
def _training(folder: Path, epochs: int, cores: set[int]) -> Iterator["subprocess.Popen[bytes]"]:
    words = ["--data_dir", "clips", "--checkpoint_dir", "run", "--num_epochs", str(epochs), *FLAGS.split()]
    command = [sys.executable, "-c", TRAINER, "train", *words]
    # One thread: several that wait for each other show any other process's work many times over.
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (folder / "trainer.log").open("w") as log:
        trainer = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
    os.sched_setaffinity(trainer.pid, cores)
    try:
        yield trainer
    finally:
        trainer.kill()
        trainer.wait()
    if trainer.returncode:
        raise click.ClickException((folder / "trainer.log").read_text()[-2000:])


def _watch(trainer: "subprocess.Popen[bytes]", folder: Path, courier: Courier) -> Watched:
    """Offers every other checkpoint, as the agent would offer all of them."""
    watched, under_way = Watched(), None
    while trainer.poll() is None:
        for path in complete_checkpoints(folder / "checkpoints"):
            if (step := int(path.name)) not in watched.saved:
                watched.saved[step] = path.stat().st_ctime  # of its renaming
                if len(watched.saved) % 2:
                    courier.offer([path], bad=False, restored=None)
                    under_way = step
        if under_way is not None and not courier.finish(time.monotonic()):
            watched.seconds_up[under_way] = time.time() - watched.saved[under_way]
            under_way = None
        time.sleep(POLL_SECONDS)
    if courier.failure:
        raise courier.failure
    return watched


def _report(rows: Sequence[Mapping[str, Any]], watched: Watched) -> None:
    ends = {row["step"]: row["time"] for row in rows if row["kind"] == "train"}
    seconds = {now: ends[now] - ends[before] for before, now in pairwise(sorted(ends)) if before not in watched.saved}
    seconds |= {step + 1: ends[step + 1] - saved for step, saved in watched.saved.items() if step + 1 in ends}
    shares: dict[bool, list[float]] = {True: [], False: []}
    firsts: dict[bool, list[float]] = {True: [], False: []}
    for saved in sorted(watched.saved)[1:]:  # the trainer's first steps are slower anyway
        after = [seconds[step] for step in range(saved + 1, saved + 1 + STEPS) if step in seconds]
        if len(after) < STEPS:
            continue  # the last one
        before = statistics.median(seconds[step] for step in range(saved + 1 - STEPS, saved + 1))
        shares[saved in watched.seconds_up].append(statistics.median(after) / before)
        firsts[saved in watched.seconds_up].append(after[0] / before)
    click.echo(
        f"a step {_spread(list(seconds.values()), 's')}, an upload {_spread(list(watched.seconds_up.values()), 's')}"
    )
    for goes_up, text in ((True, "with an upload"), (False, "without one")):
        click.echo(
            f"{text}: the {STEPS} steps after a checkpoint / the {STEPS} before it {_spread(shares[goes_up])}, "
            f"the first alone {_spread(firsts[goes_up])}, {len(shares[goes_up])} checkpoints"
        )


def _spread(values: Sequence[float], unit: str = "") -> str:
    return f"{statistics.median(values):.2f}{unit} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
