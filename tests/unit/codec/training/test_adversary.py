import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from codec.acoustics import mel
from codec.acoustics.mel import MultiScaleMel
from codec.config import ModelConfig, TrainConfig
from codec.model import discriminators
from codec.model.discriminators import Discriminators, adversarial_loss, discriminator_loss, feature_loss
from codec.training.adversary import ADVERSARIAL, FEATURES, MEL, Adversary
from codec.training.ranks import Ranks

CPU = torch.device("cpu")
MODEL = ModelConfig(hidden_dim=8, strides=(2, 4), num_quantizers=2, codebook_size=8, codebook_dim=4)
CONFIG = TrainConfig(data_dir="", model=MODEL, segment_length=1200, learning_rate=3e-3, warmup_steps=0)


def sounds(seed: int = 0) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    time = torch.arange(1200) / 16000
    tone = 0.2 * torch.sin(6.28 * torch.tensor([[220.0], [330.0]]) * time)
    return tone[:, None], 0.1 * torch.randn(2, 1, 1200)


@pytest.mark.parametrize("length", [1, 7, 512, 1200, 1201])
def test_any_length_can_be_judged(length: int) -> None:
    judgements = Discriminators(2)(torch.randn(2, 1, length))
    assert len(judgements) == 8
    assert all(logits.isfinite().all() and len(features) == 4 for logits, features in judgements)


def test_losses_are_their_formulas() -> None:
    sure, wrong, silent = ([(torch.full((3,), value), [torch.full((3,), value)])] for value in (2.0, -2.0, 0.0))
    assert float(discriminator_loss(sure, wrong)) == 0
    assert float(discriminator_loss(silent, silent)) == 2  # what the checklist calls dead
    assert float(discriminator_loss(wrong, sure)) == 6
    assert float(adversarial_loss(sure)) == 0
    assert float(adversarial_loss(wrong)) == 3
    assert float(feature_loss(sure, wrong)) == 2
    assert float(feature_loss(sure, sure)) == 0


def test_the_mel_loss_is_zero_for_the_same_and_has_a_gradient_even_at_silence() -> None:
    tone, noise = sounds()
    mel = MultiScaleMel(16000)
    assert float(mel(tone, tone)) == 0
    assert float(mel(tone, noise)) > float(mel(tone, 0.9 * tone)) > 0
    silence = torch.zeros_like(tone).requires_grad_()
    mel(tone, silence).backward()
    assert silence.grad is not None
    assert silence.grad.isfinite().all()


def test_the_opinion_is_the_weighted_loss_and_its_gradient_by_the_audio() -> None:
    tone, noise = sounds()
    torch.manual_seed(0)
    adversary = Adversary(CONFIG, Ranks(), CPU)
    opinion = adversary.judge(noise, tone, 0)
    mel, features, deceived, _ = opinion.values
    assert float(opinion.loss) == pytest.approx(float(MEL * mel + FEATURES * features + ADVERSARIAL * deceived))
    assert opinion.gradient.shape == noise.shape
    nearer = noise - 1e-4 * opinion.gradient / opinion.gradient.norm()
    assert float(adversary.judge(nearer, tone, 0).values[0]) < float(mel)


def test_discriminators_learn_to_tell_noise_from_tones() -> None:
    adversary = Adversary(CONFIG, Ranks(), CPU)
    losses = [float(adversary.judge(*reversed(sounds(step)), step).values[3]) for step in range(18)]
    assert losses[-1] < losses[0] - 0.01  # it begins at 2: logits of a fresh network are next to 0


def test_a_non_finite_batch_leaves_the_discriminators_as_they_are() -> None:
    tone, noise = sounds()
    adversary = Adversary(CONFIG, Ranks(), CPU)
    adversary.judge(noise, tone, 0)
    before = [value.clone() for value in adversary.state()["discriminators"].values()]
    adversary.judge(noise * float("nan"), tone, 1)
    after = adversary.state()["discriminators"].values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_state_is_all_that_going_on_needs() -> None:
    tone, noise = sounds()
    one, two = Adversary(CONFIG, Ranks(), CPU), Adversary(CONFIG, Ranks(), CPU)
    one.judge(noise, tone, 0)
    two.restore(copy.deepcopy(one.state()))
    ours, theirs = one.judge(noise, tone, 1), two.judge(noise, tone, 1)
    assert torch.equal(ours.gradient, theirs.gradient)
    assert [float(value) for value in ours.values] == [float(value) for value in theirs.values]


def test_its_two_parts_are_one_graph_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one discriminator and one scale of each kind: all of them take most of a minute."""
    graphs = []

    def keep(graph: torch.fx.GraphModule, inputs: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=keep))
    for module, name in ((discriminators, "PERIODS"), (discriminators, "WINDOWS"), (mel, "SCALES")):
        monkeypatch.setattr(module, name, getattr(module, name)[:1])
    tone, noise = sounds()
    adversary = Adversary(replace(CONFIG, compile="on", precision="bf16"), Ranks(), CPU)
    for step in range(2):
        adversary.judge(noise, tone, step)
    assert len(graphs) == 2
    torch.compiler.reset()


def test_a_rehearsal_teaches_nothing() -> None:
    tone, noise = sounds()
    adversary = Adversary(CONFIG, Ranks(), CPU)
    before = copy.deepcopy(adversary.state())
    adversary.rehearse(noise, tone)
    after = adversary.state()
    assert all(torch.equal(value, after["discriminators"][name]) for name, value in before["discriminators"].items())
    assert after["optimizer"]["state"] == {}
