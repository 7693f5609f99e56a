"""Training on a GPU: through the command, compiled, in bfloat16, and without a wait for the device."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from codec.config import ModelConfig, TrainConfig
from codec.model.codec import Codec
from codec.training.adversary import Adversary
from codec.training.batch_loader import Feed
from codec.training.dataset import CropDataset
from codec.training.kernels import hasten
from codec.training.ranks import Ranks
from codec.training.state import Data, Position, Run
from codec.training.step import step
from codec.training.step_counters import Health
from codec.training.validate import HeldOut
from tests.bench import limits, throughput

Train = Callable[..., "subprocess.CompletedProcess[str]"]


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


@pytest.mark.parametrize("recipe", ["waveform", "perceptual"])
def test_a_run_trains_and_is_resumed(train: Train, tmp_path: Path, recipe: str, device: torch.device) -> None:
    flags = {"recipe": recipe, "compile": "off", "quantizer_dropout": 0.5}
    for epochs in (1, 2):
        done = train(num_epochs=epochs, **flags)
        assert (done.returncode, done.stderr) == (0, "")
    starts, last = rows(tmp_path / "run", "start"), rows(tmp_path / "run", "train")[-1]
    assert [row["device"] for row in starts] == [device.type] * 2
    assert starts[1]["resumed_from"] == f"{starts[0]['planned_steps']:08d}"
    assert last["nonfinite_steps"] == 0
    assert all(isinstance(row["snr_db"], float) for row in rows(tmp_path / "run", "validation"))


@pytest.mark.parametrize("recipe", ["waveform", "perceptual"])
def test_what_is_compiled_is_kept_and_serves_the_next_process(
    train: Train, tmp_path: Path, recipe: str, cuda: torch.device
) -> None:
    assert cuda.type == "cuda"
    seconds = []
    for epochs in (1, 2):
        done = train(num_epochs=epochs, recipe=recipe)
        assert done.returncode == 0, done.stderr
        assert "torch.compile is off" not in done.stdout
        start = rows(tmp_path / "run", "start")[-1]
        first = next(row for row in rows(tmp_path / "run", "train") if row["time"] > start["time"])
        seconds.append(first["time"] - start["time"])
    assert any((tmp_path / "run" / "compiled").rglob("*.cubin"))
    assert seconds[1] < seconds[0] / 2


def tiny_run(dataset: CropDataset, device: torch.device, folder: Path, **flags: Any) -> Run:
    """A run of a tiny model on the device, as the trainer sets it up."""
    torch.manual_seed(0)
    model_config = ModelConfig(hidden_dim=16, strides=(2, 5), num_quantizers=2, codebook_size=8, codebook_dim=4)
    config = TrainConfig(data_dir="", model=model_config, segment_length=100, batch_size=4, **flags)
    model = Codec(model_config).to(device)
    hasten(model, config, device, folder, Ranks())
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    nothing = HeldOut(torch.empty(0), torch.empty(0), torch.empty(0))
    data = Data(dataset, Feed(dataset, device), nothing, nothing, nothing, 0.0, device, Ranks())
    adversary = Adversary(config, Ranks(), device) if config.recipe == "perceptual" else None
    return Run(config, folder, data, data.ranks, model, model, optimizer, Health(device), Position(), adversary)


@pytest.fixture
def run(dataset: CropDataset, device: torch.device, tmp_path: Path) -> Run:
    """What `auto` makes of it, but for torch.compile."""
    return tiny_run(dataset, device, tmp_path, compile="off")


def test_what_is_compiled_computes_the_same(
    dataset: CropDataset, cuda: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch._inductor.config, "fallback_random", True)  # the same random numbers, too
    losses = []
    for compiling in ("off", "on"):
        run = tiny_run(dataset, cuda, tmp_path, compile=compiling, precision="fp32", recipe="perceptual")
        losses.append([torch.stack(step(run)[0]) for _ in range(3)])
        torch.compiler.reset()
    for eager, compiled in zip(*losses, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-2, atol=1e-3)


@pytest.fixture
def no_waiting(device: torch.device) -> Iterator[Callable[[], None]]:
    """no_waiting(): from then on whatever waits for the device raises."""

    def forbid() -> None:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error")

    yield forbid
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("default")


def test_a_step_never_waits_for_the_device(run: Run, no_waiting: Callable[[], None]) -> None:
    step(run)  # cudnn looks for its fastest algorithms
    no_waiting()
    values, _ = step(run)
    assert len(values) == 5


def test_a_step_that_is_not_finite_changes_nothing(run: Run) -> None:
    step(run)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    with torch.no_grad():
        bias = next(run.model.decoder.parameters())
        kept = bias.clone()
        bias.fill_(torch.nan)
    step(run)
    with torch.no_grad():
        bias.copy_(kept)
    assert all(torch.equal(value, run.model.state_dict()[name]) for name, value in before.items())
    assert run.health.report()[0].item() == 1


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does(
    train: Train, cuda: torch.device, tmp_path: Path
) -> None:
    free = torch.cuda.mem_get_info(cuda)[0]
    crops = free // 300_000  # more than fit: each has some 50 layers of 1,600 samples, 4 channels and 2 to 4 bytes
    done = train(batch_size=crops, num_epochs=1, compile="off")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    fits = int(done.stderr.partition("about ")[2].split()[0])
    assert 1 <= fits < crops
    assert train(batch_size=fits, num_epochs=1, compile="off").returncode == 0


def test_the_bench_of_throughput_has_all_its_figures(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"hidden_dim": 64, "batch": 2, "samples": 2048, "steps": 2}
    monkeypatch.setitem(throughput.SIZES, device.type, small)
    monkeypatch.setitem(limits.MATRIX, device.type, 512)
    monkeypatch.setitem(limits.COPIED_BYTES, device.type, 1 << 24)
    figures = throughput.measure(device, rounds=2, peers_python=Path("/nonexistent"))
    assert figures["audio_seconds_per_second"]["min"] > 0
    assert figures["peak_bytes"] > 0
    assert 0 < figures["limits"]["share_of_roofline"] <= 1.5
