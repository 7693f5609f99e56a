"""Training on CUDA as far as a machine without a GPU can show it: on torch's tensors with a device but no values.

An operation between the CPU's tensors and the device's raises, and so does whatever makes the host wait for the device.
Not shown: what is computed, the backward pass, which autograd does not enter without a GPU, and other streams.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from codec.acoustics import metrics
from codec.config import ModelConfig, TrainConfig
from codec.model.codec import Codec
from codec.training.adversary import Adversary
from codec.training.batch_loader import Feed
from codec.training.kernels import hasten
from codec.training.ranks import Ranks
from codec.training.state import Data, Position, Run
from codec.training.step import step
from codec.training.step_counters import Health
from codec.training.train import _initialise_codebooks
from codec.training.validate import HeldOut, validate
from crops import small_dataset

CUDA = torch.device("cuda", 0)
SMALL = {"hidden_dim": 4, "strides": (5,), "num_quantizers": 2, "codebook_size": 8, "codebook_dim": 4}
MODELS = {"plain": SMALL, "mdct": SMALL | {"strides": (10,), "transform": "mdct", "mean_quantizers": 1}}
WAITS = (AssertionError, DataDependentOutputException, DynamicOutputShapeException)
ATEN = torch.ops.aten

Make = Callable[..., Run]


class Device(TorchDispatchMode):
    """Used as `with device()`: the GPU. A tensor of the host gets there only from pinned memory, none comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors = FakeTensorMode(allow_non_fake_inputs=True)  # the others are the host's
        self.pinned: list[Tensor] = []
        self.types: dict[Any, set[torch.dtype]] = {}  # of numbers, by the operation that they were given to

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self.tensors, self:
            yield

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        if operation is torch.ops.prim.device.default:
            return result
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        for tensor in given:
            self.types.setdefault(operation, set()).add(tensor.dtype)
        if operation is ATEN._to_copy.default and given[0].device != result.device:
            ahead = kwargs.get("non_blocking") and any(given[0] is tensor for tensor in self.pinned)
            assert ahead, f"the host waits for a copy from {given[0].device} to {result.device}"
        return result


class Answers(TorchDispatchMode):
    """For what waits on purpose: a number, whatever the host asks for."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation is ATEN._local_scalar_dense.default:
            return 60.0 if args[0].is_floating_point() else 60
        if operation is ATEN.bincount.default:
            return args[0].new_zeros(args[2])
        return operation(*args, **(kwargs or {}))


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """A GPU that has bfloat16, and room for everything."""
    device = Device()

    def to(module: nn.Module, where: torch.device) -> nn.Module:
        for part in module.modules() if where.type == "cuda" else ():
            for name, parameter in part.named_parameters(recurse=False):
                part._parameters[name] = nn.Parameter(_sent(parameter.detach()))
            for name, buffer in part.named_buffers(recurse=False):
                part._buffers[name] = _sent(buffer)
        return module

    def _sent(tensor: Tensor) -> Tensor:
        with device.tensors:
            return tensor.to(CUDA)

    def pin(tensor: Tensor) -> Tensor:
        device.pinned.append(tensor)
        return tensor

    def grad(loss: Tensor, by: Tensor) -> tuple[Tensor]:
        assert any(leaf is by for leaf in _leaves(loss))
        return (torch.empty_like(by),)

    def backward(loss: Tensor) -> None:
        for leaf in _leaves(loss):
            leaf.grad = torch.empty_like(leaf)

    monkeypatch.setattr(nn.Module, "to", to)  # torch's own does not change one kind of tensor into another
    monkeypatch.setattr(Tensor, "pin_memory", pin)
    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(torch.autograd, "grad", grad)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10**11, 10**11))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    for flag in ("allow_tf32", "benchmark"):
        monkeypatch.setattr(torch.backends.cudnn, flag, getattr(torch.backends.cudnn, flag))  # restored afterwards
    metrics._mel(16000)  # made of the host's tensors: it looks at its own values
    yield device
    metrics._mel.cache_clear()  # it may have been sent to this device


@pytest.fixture
def make(device: Device, tmp_path: Path) -> Make:
    """make(model, **flags): a run on CUDA, as the trainer sets it up but for torch.compile."""

    def run(model: str, world: int = 1, **flags: Any) -> Run:
        model_config = ModelConfig(**MODELS[model])
        config = TrainConfig(data_dir="", model=model_config, segment_length=100, batch_size=4, compile="off", **flags)
        ranks, dataset = Ranks(), small_dataset()
        ranks.world = world
        codec = Codec(model_config).to(CUDA)
        hasten(codec, config, CUDA, tmp_path, ranks)
        adversary = Adversary(config, ranks, CUDA) if config.recipe == "perceptual" else None
        optimizer = torch.optim.AdamW(codec.parameters(), fused=True)
        with device.tensors:
            feed, health = Feed(dataset, CUDA), Health(CUDA)
            crops = torch.randn(5, 1, 100, device=CUDA), torch.full((5,), 60, device=CUDA), torch.ones(5, 1, 1)
        data = Data(dataset, feed, HeldOut(*crops), HeldOut(*crops), HeldOut(*crops), 0.0, CUDA, ranks)
        return Run(config, tmp_path, data, ranks, codec, codec, optimizer, health, Position(), adversary)

    return run


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "flags", [{"quantizer_dropout": 0.5}, {"recipe": "perceptual"}], ids=["waveform", "perceptual"]
)
def test_a_step_stays_on_the_device_and_never_waits_for_it(
    make: Make, device: Device, model: str, flags: dict[str, Any]
) -> None:
    run = make(model, **flags)
    assert run.data.feed.resident
    with device():
        values, _ = step(run)
    held = [*values, *run.health.report(), *run.model.state_dict().values(), *tree_leaves(run.optimizer.state_dict())]
    assert {(tensor.device, tensor.dtype) for tensor in held if isinstance(tensor, Tensor)} == {(CUDA, torch.float32)}
    assert all(parameter.grad is not None for parameter in run.model.parameters())

    assert device.types[ATEN.convolution.default] == {torch.bfloat16}
    wide = {ATEN.sin.default, ATEN.addmm.default, ATEN.argmin.default, ATEN.mm.default, ATEN.bmm.default}
    assert {kind for each in wide & device.types.keys() for kind in device.types[each]} == {torch.float32}


def test_audio_that_is_not_resident_is_sent_ahead(make: Make, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codec.training.batch_loader.FREE_SHARE", 0.0)
    run = make("plain")
    assert not run.data.feed.resident
    with device():
        step(run)
        batch, _ = run.data.batch(0, 1)
    assert {part.device for part in batch} == {CUDA}


def test_ranks_add_up_on_the_device(make: Make, device: Device) -> None:
    run = make("mdct", world=2, recipe="perceptual")
    dist.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    try:
        with device():
            values, summary = step(run)
    finally:
        dist.destroy_process_group()
    assert summary.stops is not None
    assert {tensor.device for tensor in [*values, summary.stops, summary.statistics.sums]} == {CUDA}


@pytest.mark.parametrize("model", MODELS)
def test_codebooks_are_set_and_the_model_is_validated_on_the_device(make: Make, device: Device, model: str) -> None:
    run = make(model)
    with device.tensors, Answers():
        _initialise_codebooks(run)
        row = validate(run.model, run.data.held_out, 4, lambda: None)
        state = run.health.state()
        run.health.restore(state)
    assert row["crops"] == 5
    assert {value.device for value in run.health.report()} == {CUDA}


@pytest.mark.parametrize(
    "fault",
    [
        lambda x: x + torch.ones(3),
        lambda x: x.sum().item(),
        lambda x: 1 if x.sum() > 0 else 0,
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: torch.ones(3).to(CUDA, non_blocking=True),
        lambda x: torch.ones(3).pin_memory().to(CUDA),
        lambda x: torch.tensor([1.0, 2.0], device=CUDA),
    ],
)
def test_what_these_tests_look_for_is_found(device: Device, fault: Callable[[Tensor], object]) -> None:
    with device(), pytest.raises((RuntimeError, *WAITS)):
        fault(torch.ones(3, device=CUDA))


def _leaves(result: Tensor) -> list[Tensor]:
    """The tensors that a result has gradients by."""
    ahead, seen, found = [result.grad_fn], set(), []
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        ahead += [before for before, _ in node.next_functions]
    return found
