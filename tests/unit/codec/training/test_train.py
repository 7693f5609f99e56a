"""The training step by itself."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from codec.config import ModelConfig, TrainConfig
from codec.model.codec import Codec
from codec.training.dataset import Batch
from codec.training.ranks import Ranks
from codec.training.state import Data, Position, Run
from codec.training.step import step
from codec.training.step_counters import Health
from codec.training.validate import HeldOut

CPU = torch.device("cpu")


class OneBatch:
    """A dataset of one batch."""

    steps_per_epoch = 10

    def __init__(self, audio: Tensor) -> None:
        self.audio = audio

    def batch(self, epoch: int, index: int, rank: int, ranks: int) -> Batch:
        lengths = torch.full((len(self.audio),), self.audio.shape[-1])
        return Batch(self.audio, lengths, lengths)


PLAIN = ModelConfig(hidden_dim=8, strides=(2, 4), num_quantizers=2, codebook_size=8, codebook_dim=4)
DIFFERING = replace(PLAIN, num_quantizers=7, mean_quantizers=3, transform="mdct")


def make_run(audio: Tensor, architecture: ModelConfig = PLAIN, **flags: float) -> Run:
    torch.manual_seed(0)
    config = TrainConfig(data_dir="", model=architecture, segment_length=800, warmup_steps=0, **flags)
    model = Codec(config.model)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    nothing = HeldOut(torch.empty(0), torch.empty(0), torch.empty(0))
    dataset = OneBatch(audio)
    data = Data(dataset, dataset, nothing, nothing, nothing, 0.0, CPU, Ranks())  # type: ignore[arg-type]
    return Run(config, Path(), data, data.ranks, model, model, optimizer, Health(CPU), Position())


def tensors(run: Run) -> list[Tensor]:
    optimizer = [value for state in run.optimizer.state.values() for value in state.values()]
    return [value.detach().clone() for value in (*run.model.state_dict().values(), *optimizer)]


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_non_finite_step_changes_neither_weights_nor_optimizer_nor_codebooks(poison: float) -> None:
    run = make_run(0.1 * torch.randn(2, 1, 800))
    step(run)  # the optimizer has its state
    before = tensors(run)
    run.data.train.audio[0, 0, 5] = poison  # type: ignore[attr-defined]
    step(run)
    assert all(torch.equal(a, b) for a, b in zip(before, tensors(run), strict=True))
    assert [value.item() for value in run.health.report()[:2]] == [1, 1]
    run.data.train.audio[0, 0, 5] = 0  # type: ignore[attr-defined]
    step(run)
    assert not any(torch.equal(a, b) for a, b in zip(before[:3], tensors(run)[:3], strict=True))


@pytest.mark.parametrize("architecture", [PLAIN, DIFFERING], ids=["plain", "differing"])
def test_a_step_never_waits_for_the_device(architecture: ModelConfig) -> None:
    """Fake tensors have no values: whatever asks for one, as .item() does, raises."""
    with FakeTensorMode():
        run = make_run(torch.empty(2, 1, 800), architecture, quantizer_dropout=0.5)
        values, _ = step(run)
        assert all(value.shape == () for value in values)
        with pytest.raises(Exception, match="_local_scalar_dense"):
            values[0].item()


def test_steps_teach_the_model_its_batch() -> None:
    time = torch.arange(800) / 16000
    tones = torch.stack([0.2 * torch.sin(2 * math.pi * pitch * time) for pitch in (150, 300, 450, 600)])
    run = make_run(tones[:, None], learning_rate=5e-3)
    run.model.quantizer.initialise(run.model.latents(tones[:, None]).detach())
    l1 = [step(run)[0][1].item() for _ in range(150)]
    silence = tones.abs().mean().item()
    assert l1[0] > 0.9 * silence
    assert l1[-1] < 0.5 * silence


def test_the_reported_loss_is_unweighted() -> None:
    run = make_run(0.1 * torch.randn(2, 1, 800), commitment_weight=7.0)
    loss, l1, vq, *_ = (value.item() for value in step(run)[0])
    assert loss == pytest.approx(l1 + vq)
    assert vq > 0


def test_the_gradient_is_clipped_and_the_rate_is_the_schedules() -> None:
    run = make_run(0.1 * torch.randn(2, 1, 800), grad_clip=1e-4, learning_rate=0.01)
    *_, grad_norm = step(run)[0]
    norm = torch.stack([parameter.grad.norm() for parameter in run.model.parameters()]).norm()  # type: ignore[union-attr]
    assert float(grad_norm) > 1e-3
    assert float(norm) == pytest.approx(1e-4, rel=0.01)
    assert run.optimizer.param_groups[0]["lr"] == 0.01
