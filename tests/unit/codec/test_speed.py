"""Half precision and compiled code, as far as a CPU can show them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor import config as inductor

from codec.config import ModelConfig, TrainConfig
from codec.layers import Snake
from codec.model import Codec
from codec.ranks import Ranks
from codec.speed import autocast, hasten, is_bf16, is_compiled

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
TINY = ModelConfig(hidden_dim=4, strides=(2,), num_quantizers=2, codebook_size=8, codebook_dim=4)


def config(**flags: str) -> TrainConfig:
    return TrainConfig(data_dir="", model=TINY, segment_length=64, **flags)


def test_auto_changes_nothing_on_a_cpu_and_a_flag_does() -> None:
    assert not is_bf16(config(), CPU)
    assert not is_compiled(config(), CPU)
    assert is_bf16(config(precision="bf16"), CPU)
    assert is_compiled(config(compile="on"), CPU)
    assert is_compiled(config(), CUDA)
    assert not is_compiled(config(compile="off"), CUDA)
    assert not is_bf16(config(precision="fp32"), CUDA)


def test_in_bf16_convolutions_are_narrow_and_codes_and_errors_are_not() -> None:
    torch.manual_seed(0)
    model, audio = Codec(TINY), 0.1 * torch.randn(2, 1, 64)
    with autocast(config(precision="bf16"), CPU):
        narrow = model(audio)
    wide = model(audio)
    assert narrow.audio.dtype == torch.bfloat16
    assert narrow.commitment.dtype == narrow.statistics.sums.dtype == torch.float32
    torch.testing.assert_close(narrow.audio.float(), wide.audio, atol=0.05, rtol=0.1)


@pytest.fixture
def fresh_inductor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    # What pays with many kernels costs most of the time of one.
    monkeypatch.setattr(inductor, "compile_threads", 1)
    monkeypatch.setattr(inductor.cpp, "vec_isa_ok", False)
    monkeypatch.setattr(inductor, "cpp_cache_precompile_headers", False)
    yield
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)
    torch.compiler.reset()


@pytest.mark.usefixtures("fresh_inductor")
def test_a_compiled_layer_computes_the_same_keeps_its_names_and_its_code_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Snake in the encoder's place: all of a codec takes minutes to compile."""
    torch.manual_seed(0)
    model, audio = Codec(TINY), torch.randn(1, 4, 64)
    model.encoder = torch.nn.Sequential(Snake(4))
    names, eager = list(model.state_dict()), model.encoder(audio)
    hasten(model, config(compile="on"), CPU, tmp_path, Ranks())
    with torch.no_grad():
        compiled = model.encoder(audio)
    torch.testing.assert_close(compiled, eager, atol=1e-5, rtol=1e-4)
    assert list(model.state_dict()) == names
    assert any((tmp_path / "compiled").rglob("*.py"))
    assert model.decoder._compiled_call_impl is not None  # at its first call

    # Another attempt's pod gets the folder from the record: under another path it serves as well.
    (tmp_path / "compiled").rename(tmp_path / "moved")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "moved" / "0"))
    torch.compiler.reset()
    counters.clear()
    with torch.no_grad():
        torch.testing.assert_close(model.encoder(audio), compiled)
    assert counters["inductor"]["fxgraph_cache_hit"] == 1
    assert counters["inductor"]["fxgraph_cache_miss"] == 0
