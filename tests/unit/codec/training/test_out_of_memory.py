"""What is said of too large a batch. How much memory a crop takes only a GPU can tell; here it is given."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from codec.cli import main
from codec.config import ModelConfig, TrainConfig
from codec.model.codec import Codec
from codec.training.adversary import Adversary
from codec.training.out_of_memory import _one_crop, complaint, fitting
from codec.training.ranks import Ranks
from codec.training.state import Data, Position, Run, parallelized

GPU = {"memory_allocated": 1000, "mem_get_info": (100_000, 200_000), "max_memory_allocated": 1000 + 10_000}


@pytest.fixture
def small_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step does not fit; of what is free, one crop takes a tenth."""

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("codec.training.train.step", full)
    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    for name, answer in GPU.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)


@pytest.fixture
def train(
    write_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """train(**flags) -> exit code and stderr of the command, with a tiny model."""
    for number in range(3):
        data = write_clip(f"{number}.wav", 0.5, seed=number).parent

    def run(**flags: object) -> tuple[int, str]:
        tiny = {"hidden_dim": 4, "strides": 2, "num_quantizers": 1, "codebook_size": 4, "codebook_dim": 2}
        places = {"data_dir": data, "checkpoint_dir": tmp_path / "run", "segment_length": 400, "device": "cpu"}
        words = [str(word) for name, value in {**tiny, **places, **flags}.items() for word in (f"--{name}", value)]
        monkeypatch.setattr(sys, "argv", ["codec", "train", *words])
        with pytest.raises(SystemExit) as done:
            main()
        return int(done.value.code or 0), capsys.readouterr().err

    return run


@pytest.mark.usefixtures("small_gpu")
@pytest.mark.parametrize("recipe", ["waveform", "perceptual"])
def test_a_batch_that_does_not_fit_ends_the_command_with_one_that_would(
    train: Callable[..., tuple[int, str]], recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsed = []
    monkeypatch.setattr(Adversary, "rehearse", lambda self, *_: rehearsed.append(1))
    code, error = train(batch_size=16, recipe=recipe)
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("error: --batch_size 16: out of GPU memory; about 9 would fit, or shorten --segment_length")
    assert len(rehearsed) == (recipe == "perceptual")


@pytest.mark.usefixtures("small_gpu")
def test_where_even_one_crop_does_not_fit_the_segment_is_too_long(
    train: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda *_: 10**9)
    code, error = train(batch_size=2)
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("error: --segment_length 400: out of GPU memory even with one crop")


@pytest.mark.usefixtures("small_gpu")
def test_what_would_fit_is_less_than_what_does_not(train: Callable[..., tuple[int, str]]) -> None:
    assert "about 5 would fit" in train(batch_size=6)[1]


def test_the_trial_can_follow_a_backward_pass_that_has_failed_on_several_ranks(tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    model_config = ModelConfig(hidden_dim=4, strides=(2,), num_quantizers=1, codebook_size=4, codebook_dim=2)
    config = TrainConfig(data_dir="", model=model_config, segment_length=400)
    model, ranks, cpu = Codec(model_config), Ranks(), torch.device("cpu")
    nothing: Any = None
    data = Data(nothing, nothing, nothing, nothing, nothing, 0.0, cpu, ranks)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        ranks.world = 2  # so that it is made ready for several
        parallel = parallelized(model, ranks, cpu)
        run = Run(config, tmp_path, data, ranks, model, parallel, nothing, nothing, Position())
        halfway = model.project_out.register_full_backward_hook(full)
        with pytest.raises(torch.OutOfMemoryError):
            parallel(torch.randn(2, 1, 400)).audio.sum().backward()
        halfway.remove()
        _one_crop(run)
    finally:
        dist.destroy_process_group()


def test_the_batch_that_fits_is_what_the_free_memory_holds() -> None:
    assert fitting(free=10_000, one=1000) == 9
    assert fitting(free=10_000, one=20_000) == 0


def test_on_several_gpus_each_needs_a_crop() -> None:
    assert "about 4 would fit" in complaint(8, 16000, 4, ranks=2)
    assert "even with one crop on each of 2 GPUs" in complaint(2, 16000, 0, ranks=2)
