"""Half precision and compiled code, as far as a CPU can show them."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor import config as inductor

from codec.config import ModelConfig, TrainConfig
from codec.model.codec import Codec, Share
from codec.model.layers import Snake
from codec.training.kernels import autocast, hasten, is_bf16, is_compiled, obstacle
from codec.training.ranks import Ranks

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
TINY = ModelConfig(hidden_dim=4, strides=(2,), num_quantizers=2, codebook_size=8, codebook_dim=4)


def config(**flags: str) -> TrainConfig:
    return TrainConfig(data_dir="", model=TINY, segment_length=64, **flags)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which Triton has what it needs; the compiler, to be taken away."""
    monkeypatch.delenv("CC", raising=False)
    (tmp_path / "bin").mkdir()
    (tmp_path / "Python.h").touch()
    gcc = tmp_path / "bin" / "gcc"
    gcc.touch(0o755)
    monkeypatch.setenv("PATH", str(gcc.parent))
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"include": str(tmp_path)})
    return gcc


def test_without_a_compiler_auto_does_not_compile_and_says_why(compiler: Path) -> None:
    assert obstacle() is None
    assert is_compiled(config(), CUDA)
    (compiler.parent.parent / "Python.h").unlink()
    assert obstacle() == f"{compiler.parent.parent / 'Python.h'} is missing (python3-dev)"
    compiler.unlink()
    assert obstacle() == "there is no C compiler (gcc or clang)"
    assert not is_compiled(config(), CUDA)
    assert is_compiled(config(compile="on"), CUDA)


def test_bf16_is_taken_from_devices_that_have_it_not_from_those_that_emulate_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not is_bf16(config(), CUDA)
    assert is_bf16(config(precision="bf16"), CUDA)


@pytest.mark.parametrize(("precision", "allowed"), [("auto", True), ("fp32", False)])
def test_tf32_reaches_convolutions_at_most(
    precision: str, allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for flag in ("allow_tf32", "benchmark"):
        monkeypatch.setattr(torch.backends.cudnn, flag, getattr(torch.backends.cudnn, flag))  # restored afterwards
    hasten(Codec(TINY), config(precision=precision, compile="off"), CUDA, tmp_path, Ranks())
    assert torch.backends.cudnn.allow_tf32 is allowed
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.usefixtures("compiler")
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


def test_encoder_quantizer_and_decoder_are_one_graph_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = []

    def keep(graph: torch.fx.GraphModule, inputs: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=keep))
    # 12 residual units: too many to compile each.
    model = Codec(replace(TINY, strides=(2, 2), transform="mdct", mean_quantizers=1))
    audio, lengths = torch.zeros(2, 1, 64), torch.tensor([64, 50])
    hasten(model, config(compile="on"), CPU, tmp_path, Ranks())
    for _ in range(2):
        with autocast(config(precision="bf16"), CPU):
            model(audio, lengths, Share(lengths, 0, 1), 0.5).audio.sum().backward()
    with torch.compiler.set_stance("force_eager"), torch.no_grad():
        model(audio[:1])  # as a validation does
    torch.compiler.reset()
    assert len(graphs) == 3
    calls = [str(node.target) for graph in graphs for node in graph.graph.nodes if node.op == "call_function"]
    parts = [*model.encoder.modules(), *model.decoder.modules()]
    convolutions = [part for part in parts if isinstance(part, (torch.nn.Conv1d, torch.nn.ConvTranspose1d))]
    assert sum("conv" in call for call in calls) == len(convolutions)


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

    # Another attempt's pod gets the folder from the record: under another path it serves as well.
    (tmp_path / "compiled").rename(tmp_path / "moved")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "moved" / "0"))
    torch.compiler.reset()
    counters.clear()
    with torch.no_grad():
        torch.testing.assert_close(model.encoder(audio), compiled)
    assert counters["inductor"]["fxgraph_cache_hit"] == 1
    assert counters["inductor"]["fxgraph_cache_miss"] == 0
