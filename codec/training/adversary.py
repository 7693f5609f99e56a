"""The perceptual recipe's part of a step: discriminators that learn, and what the decoder learns from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from codec.acoustics.mel import MultiScaleMel
from codec.config import TrainConfig
from codec.model.discriminators import Discriminators, adversarial_loss, discriminator_loss, feature_loss
from codec.training.kernels import compiled, is_bf16
from codec.training.ranks import Ranks

# DAC's weights, beside the L1 and the commitment error of the waveform recipe. Two things are not DAC's: the hinge
# loss, because the checklist reads it, and features as a share of their size, so that their weight means the same
# at any width.
MEL, FEATURES, ADVERSARIAL = 15.0, 2.0, 1.0
FIELDS = ("mel_loss", "feature_loss", "adversarial_loss", "disc_loss")


@dataclass(frozen=True)
class Opinion:
    """What the adversary says to decoded audio."""

    loss: Tensor  # [] the weighted sum of mel, feature and adversarial loss, without a graph
    gradient: Tensor  # [B, 1, T] of that loss by the decoded audio
    values: Sequence[Tensor]  # FIELDS', scalars


class Adversary:
    """Discriminators, their optimizer, and the mel loss. On several ranks all hold the same weights."""

    def __init__(self, config: TrainConfig, ranks: Ranks, device: torch.device) -> None:
        self._config = config
        self._ranks = ranks
        self._mel = MultiScaleMel(config.model.sample_rate).to(device)
        self._discriminators = Discriminators(config.model.discriminator_width).to(device)
        self._optimizer = torch.optim.AdamW(
            self._discriminators.parameters(), lr=config.learning_rate, betas=(0.8, 0.99), fused=True
        )
        # Not speed.autocast: whether a device has bfloat16 cannot be asked within what is compiled.
        self._narrow = partial(torch.autocast, device.type, torch.bfloat16, enabled=is_bf16(config, device))
        self._decoder_losses = compiled(self._decoder_losses, config, device)  # type: ignore[method-assign]
        self._disc_loss = compiled(self._disc_loss, config, device)  # type: ignore[method-assign]

    def judge(self, decoded: Tensor, original: Tensor, step: int) -> Opinion:
        """Let the discriminators learn from a batch [B, 1, T], then say what is wrong with the decoded audio."""
        return self._judge(decoded, original, self._learn(decoded.detach(), original, step))

    def rehearse(self, decoded: Tensor, original: Tensor) -> None:
        """Take as much memory as `judge` does. Nothing is learned, and other ranks are not waited for."""
        self._critique(decoded.detach(), original).backward()  # type: ignore[no-untyped-call]
        self._judge(decoded, original, decoded.new_zeros(()))

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {"discriminators": self._discriminators.state_dict(), "optimizer": self._optimizer.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self._discriminators.load_state_dict(state["discriminators"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _judge(self, decoded: Tensor, original: Tensor, disc_loss: Tensor) -> Opinion:
        self._discriminators.requires_grad_(False)  # what is asked for is the gradient by the audio alone
        fake = decoded.detach().requires_grad_()
        loss, *values = self._decoder_losses(fake, original)
        (gradient,) = torch.autograd.grad(loss, fake)
        return Opinion(loss.detach(), gradient, [*values, disc_loss])

    def _critique(self, fake: Tensor, original: Tensor) -> Tensor:
        """The discriminators' own loss, with a gradient by their weights."""
        self._discriminators.requires_grad_(True)
        return self._disc_loss(fake, original)

    # What follows is thousands of operations, which the host would have to start one by one: it is compiled.

    def _decoder_losses(self, fake: Tensor, original: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The weighted sum, and the mel, feature and adversarial loss that it is of."""
        with self._narrow():
            theirs, ours = self._discriminators(fake), self._discriminators(original)
        mel, features, deceived = self._mel(original, fake), feature_loss(ours, theirs), adversarial_loss(theirs)
        loss = MEL * mel + FEATURES * features + ADVERSARIAL * deceived
        return loss, mel.detach(), features.detach(), deceived.detach()

    def _disc_loss(self, fake: Tensor, original: Tensor) -> Tensor:
        with self._narrow():
            return discriminator_loss(self._discriminators(original), self._discriminators(fake))

    def _learn(self, fake: Tensor, original: Tensor, step: int) -> Tensor:
        loss = self._critique(fake, original)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = list(self._discriminators.parameters())
        if self._ranks.world > 1:
            _average([parameter.grad for parameter in parameters if parameter.grad is not None], self._ranks.world)
        norm = clip_grad_norm_(parameters, self._config.grad_clip)
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.learning_rate_at(step)
        self._optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
        self._optimizer.step()
        return loss.detach()


def _average(gradients: Sequence[Tensor], ranks: int) -> None:
    """Over all ranks, in place and in one exchange."""
    bucket = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(bucket)
    pieces = torch.split(bucket / ranks, [gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
