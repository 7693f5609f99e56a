"""Training throughput on this machine, beside the public descript-audio-codec package at equal architecture.

    python -m tests.bench.throughput [--device cpu|cuda] [--rounds 5] [--peers PYTHON] [--json]

Both sides do the same, on the same shapes, in one run: forward, L1 + commitment, backward, clipping, AdamW. The peer
(`descript-audio-codec` from PyPI, in .venv/bench: tests/bench/requirements.txt) is a process of its own and computes
in its own precision, float32. Rounds alternate, so that a machine that slows down slows both; the ratio is the median
over rounds. Without the peer only our own figures are given: throughput, memory, the time of each part of a step, and
the share of the device's own limits, which are measured in the same run.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_

from codec.config import ModelConfig, TrainConfig
from codec.model.codec import Codec
from codec.training.dataset import Batch
from codec.training.device import pick_device
from codec.training.kernels import autocast, hasten, is_bf16, is_compiled
from codec.training.losses import masked_l1, training_loss
from codec.training.ranks import Ranks
from codec.training.state import Data, Position, Run
from codec.training.step import step
from codec.training.step_counters import Health
from codec.training.validate import HeldOut
from tests.bench import limits

PEER = Path(__file__).parents[2] / ".venv" / "bench" / "bin" / "python"
WARM_UP = 2
# 12 crops of 0.38 s at 16 kHz, about as in DAC's own recipe, for a GPU; a small batch for a CPU. Even strides: with odd
# ones the peer's output is shorter than its input.
SIZES: dict[str, dict[str, Any]] = {
    "cuda": {"hidden_dim": 1024, "batch": 12, "samples": 6144, "steps": 20},
    "cpu": {"hidden_dim": 256, "batch": 2, "samples": 6144, "steps": 2},
}

PEER_SIDE = """
import json, sys, time, torch, dac
size, device = json.loads(sys.argv[1]), sys.argv[2]
strides = size["strides"]
model = dac.DAC(encoder_dim=size["hidden_dim"] >> len(strides), encoder_rates=strides, decoder_dim=size["hidden_dim"],
                decoder_rates=strides[::-1], n_codebooks=size["num_quantizers"], sample_rate=16000).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.8, 0.99))
audio = 0.1 * torch.randn(size["batch"], 1, size["samples"], device=device)
def step():
    out = model(audio, 16000)
    loss = (out["audio"] - audio).abs().mean() + 0.25 * out["vq/commitment_loss"] + out["vq/codebook_loss"]
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
def timed(steps):
    began = time.perf_counter()
    for _ in range(steps):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
timed(2)
import resource
about = {"parameters": sum(p.numel() for p in model.parameters()), "torch": torch.__version__}
about["peak_bytes"] = (torch.cuda.max_memory_allocated() if device == "cuda"
                       else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps(about), flush=True)
for line in sys.stdin:
    print(timed(size["steps"]), flush=True)
"""


class SameBatch:
    """One batch on the device, again and again: the step is measured, not the disk."""

    steps_per_epoch = 1

    def __init__(self, audio: torch.Tensor) -> None:
        lengths = torch.full((len(audio),), audio.shape[-1], device=audio.device)
        self._batch = Batch(audio, lengths, lengths)

    def batch(self, epoch: int, index: int, rank: int = 0, ranks: int = 1) -> Batch:
        return self._batch


class Peer:
    """The other package's training, in a process of its own."""

    def __init__(self, python: Path, size: dict[str, Any], device: str) -> None:
        command = [str(python), "-W", "ignore", "-c", PEER_SIDE, json.dumps(size), device]
        self._process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the peer does not start: install tests/bench/requirements.txt into .venv/bench again")
        self.about: dict[str, Any] = json.loads(line)

    def seconds(self) -> float:
        """Time of one round."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def our_run(size: dict[str, Any], device: torch.device, folder: Path) -> Run:
    """A run that trains on one batch, with everything on that `--precision auto --compile auto` turns on."""
    model_config = ModelConfig(
        **{key: size[key] for key in ("hidden_dim", "strides", "num_quantizers")}, codebook_dim=8
    )
    config = TrainConfig(data_dir="", model=model_config, segment_length=size["samples"], batch_size=size["batch"])
    model = Codec(model_config).to(device)
    hasten(model, config, device, folder, Ranks())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.5, 0.9), fused=True)
    batches: Any = SameBatch(0.1 * torch.randn(size["batch"], 1, size["samples"], device=device))
    nothing = HeldOut(torch.empty(0), torch.empty(0), torch.empty(0))
    data = Data(batches, batches, nothing, nothing, nothing, 0.0, device, Ranks())
    return Run(config, folder, data, data.ranks, model, model, optimizer, Health(device), Position())


def timed(run: Run, steps: int) -> float:
    """Seconds of so many steps."""
    began = time.perf_counter()
    for _ in range(steps):
        step(run)
    _wait(run.data.device)
    return time.perf_counter() - began


def phases(run: Run, steps: int) -> dict[str, float]:
    """Milliseconds of each part of a step, each waited for, so that their sum is more than a step."""
    spent: dict[str, list[float]] = {"forward": [], "backward": [], "optimizer": [], "codebooks": []}
    batch, share = run.data.batch(0, 0)
    for _ in range(steps):
        marks = [_now(run)]
        with autocast(run.config, run.data.device):
            decoded = run.model(batch.audio, batch.lengths, share)
        l1 = masked_l1(decoded.audio.float(), batch.audio, batch.lengths)
        loss = training_loss(l1, decoded.commitment, 0.25)
        marks.append(_now(run))
        run.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_grad_norm_(run.model.parameters(), 1.0)
        marks.append(_now(run))
        run.optimizer.step()
        marks.append(_now(run))
        run.model.quantizer.update(decoded.statistics, 0.99, norm.isfinite())
        marks.append(_now(run))
        for name, start, end in zip(spent, marks, marks[1:], strict=False):
            spent[name].append(1000 * (end - start))
    return {name: round(statistics.median(values), 2) for name, values in spent.items()}


def share_of_limits(run: Run, step_seconds: float) -> dict[str, Any]:
    """How much of a step the convolutions and matrix products need at least, by what the device was measured to do."""
    device = run.data.device
    device_limits = limits.measure(device, torch.bfloat16 if is_bf16(run.config, device) else torch.float32)
    with torch.compiler.set_stance("force_eager"), limits.Roofline(device_limits) as work:
        step(run)
    return {
        "device_tflops": round(device_limits.flops / 1e12, 3),
        "device_gb_per_second": round(device_limits.bandwidth / 1e9, 1),
        "step_tflops": round(work.flops / 1e12, 4),
        "share_of_flops": round(work.flops / device_limits.flops / step_seconds, 3),
        "share_of_bandwidth": round(work.moved / device_limits.bandwidth / step_seconds, 3),
        "share_of_roofline": round(work.seconds / step_seconds, 3),
    }


def peak_bytes(device: torch.device) -> int:
    """Most memory so far: of the device, or of this process, which on a CPU holds torch itself too."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(device: torch.device, rounds: int, peers_python: Path) -> dict[str, Any]:
    """All figures of one run of the bench."""
    size = {"strides": (2, 4, 4, 8), "num_quantizers": 12, **SIZES[device.type]}
    audio_seconds = size["batch"] * size["samples"] * size["steps"] / 16000
    with tempfile.TemporaryDirectory() as folder:
        run = our_run(size, device, Path(folder))
        began = time.perf_counter()
        timed(run, 1)
        first_step = time.perf_counter() - began
        timed(run, WARM_UP)
        peer = Peer(peers_python, size, device.type) if peers_python.exists() else None
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(audio_seconds / timed(run, size["steps"]))
            if peer:
                theirs.append(audio_seconds / peer.seconds())
        figures: dict[str, Any] = {
            "device": torch.cuda.get_device_name(device)
            if device.type == "cuda"
            else f"CPU, {torch.get_num_threads()} threads",
            "torch": torch.__version__,
            "size": {**size, "strides": list(size["strides"])},
            "parameters": run.parameters,
            "bf16": is_bf16(run.config, device),
            "compiled": is_compiled(run.config, device),
            "first_step_seconds": round(first_step, 2),
            "audio_seconds_per_second": _spread(ours),
            "peak_bytes": peak_bytes(device),
            "phases_ms": phases(run, max(size["steps"], 3)),
            "limits": share_of_limits(run, audio_seconds / size["steps"] / statistics.median(ours)),
        }
        if peer:
            peer.close()
            figures["peer"] = {**peer.about, "audio_seconds_per_second": _spread(theirs)}
            figures["ratio"] = _spread([a / b for a, b in zip(ours, theirs, strict=True)])
    return figures


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def _now(run: Run) -> float:
    _wait(run.data.device)
    return time.perf_counter()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=Path, default=PEER, metavar="PYTHON", help="that has the other package")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(pick_device(arguments.device, Ranks()), arguments.rounds, arguments.peers)
    if arguments.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return
    for name, value in figures.items():
        sys.stdout.write(f"{name:<26} {value}\n")
    if "peer" not in figures:
        sys.stdout.write(
            "the peer is not there: python3 -m venv .venv/bench, then install tests/bench/requirements.txt into it\n"
        )


if __name__ == "__main__":
    main()
