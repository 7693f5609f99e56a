"""Whether the steps that follow a checkpoint are slower while it goes up: python -m tests.bench.checkpoint_steps.

The same short training twice: by the trainer alone, and as a local run whose agent uploads each checkpoint to a radosgw
on this machine. In each the pace of the first train row after a checkpoint (about 2 s of steps) is set against the
median of the other rows of its epoch. One thread trains, so that on two cores one is left for agent and server.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # for the launchers in tests/servers

from infra.store import open_store  # noqa: E402
from job.record import Run  # noqa: E402
from servers.radosgw import running_radosgw  # noqa: E402

CLIPS = 16
TRAIN = {
    "hidden_dim": 512,
    "strides": "2,4,5,8",
    "segment_length": 6144,
    "batch_size": 2,
    "num_epochs": 8,
    "warmup_steps": 20,
    "device": "cpu",
}


def main() -> None:
    """Trains both ways and prints, for each, the pace after a checkpoint as a share of the pace of other steps."""
    with tempfile.TemporaryDirectory(prefix="codecjob-bench-") as name:
        folder = Path(name)
        (folder / "clips").mkdir()
        for clip in sorted((ROOT / "examples" / "telugu" / "clips").glob("*.flac"))[:CLIPS]:
            (folder / "clips" / clip.name).write_bytes(clip.read_bytes())
        env = {**os.environ, "OMP_NUM_THREADS": "1", "CODECJOB_HOME": str(folder / "home")}
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")  # noqa: T201
        _print("trainer alone", _alone(folder, env))
        with running_radosgw(folder / "server") as (server, *_):
            _print("uploading", _uploading(folder, server.new_url(), {**env, **server.env()}))


def shares(rows: Sequence[Mapping[str, Any]]) -> Iterator[float]:
    """For each epoch but the first: pace of its first train row / median pace of its others."""
    epochs = [place for place, row in enumerate(rows) if row["kind"] == "validation"]
    for begin, end in pairwise(epochs[1:]):
        first, *others = (row["audio_seconds_per_second"] for row in rows[begin + 1 : end] if row["kind"] == "train")
        yield first / statistics.median(others)


def _alone(folder: Path, env: Mapping[str, str]) -> list[Mapping[str, Any]]:
    flags = [word for name, value in TRAIN.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "codec", "train", "--data_dir", "clips", "--checkpoint_dir", "alone", *flags]
    subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (folder / "alone" / "metrics.jsonl").read_text().splitlines()]


def _uploading(folder: Path, url: str, env: Mapping[str, str]) -> list[Mapping[str, Any]]:
    spec = {"name": "uploading", "data": "clips", "store": url, "train": TRAIN, "checklist": {"epoch": 1_000_000}}
    (folder / "job.yaml").write_text(yaml.safe_dump(spec))
    subprocess.run([sys.executable, "-m", "job", "submit", "job.yaml"], cwd=folder, env=env, check=True)
    os.environ |= env
    store = open_store(url)
    (run_id,) = store.folders("runs/")
    attempt = Run(store, run_id).attempt(1)
    steps = [ref.step for ref in attempt.checkpoints()]
    print(f"checkpoints in the store: {steps}")  # noqa: T201
    data = b"".join(piece for _, piece in attempt.segments("metrics"))
    return [json.loads(line) for line in data.splitlines()]


def _print(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    found = list(shares(rows))
    spread = f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"
    print(f"{name}: pace after a checkpoint / pace of the epoch's other rows: {spread}, {len(found)} checkpoints")  # noqa: T201


if __name__ == "__main__":
    main()
