"""One optimizer step, during which the host waits for nothing."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from codec.training.adversary import FIELDS
from codec.training.exchange import Exchange, Summary
from codec.training.kernels import autocast
from codec.training.losses import masked_l1, reported_loss, sample_mask, training_loss
from codec.training.state import Run


def step(run: Run, stop: bool = False) -> tuple[list[Tensor], Summary]:
    """Do a step. Returns the values of step_fields(run), still on the device, and what all ranks said.

    `stop` is this rank's wish to stop, which goes to the others.
    """
    config = run.config
    batch, share = run.data.batch(run.at.epoch, run.at.index)
    with autocast(config, batch.audio.device):
        decoded = run.parallel(batch.audio, batch.lengths, share, config.quantizer_dropout)
    l1 = masked_l1(decoded.audio.float(), batch.audio, batch.lengths, share.samples())
    loss = training_loss(l1, decoded.commitment, config.commitment_weight)
    extra: Sequence[Tensor] = ()
    if run.adversary:
        heard = decoded.audio.float() * sample_mask(batch.audio, batch.lengths)
        opinion = run.adversary.judge(heard, batch.audio, run.at.step)
        extra = opinion.values
        # Its value is the opinion's loss, its gradient the opinion's gradient.
        loss = loss + opinion.loss + (heard * opinion.gradient).sum() - (heard.detach() * opinion.gradient).sum()
    reported = [reported_loss(l1, decoded.commitment), l1, decoded.commitment.mean(), decoded.latent_power]
    exchange = Exchange(run.ranks, decoded.statistics, [loss, *reported, *extra], stop)
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    grad_norm = clip_grad_norm_(run.model.parameters(), config.grad_clip)
    summary = exchange.finish()

    # A non-finite step, on whatever rank, changes neither weights nor optimizer nor codebooks. `found_inf` is
    # how GradScaler tells the fused optimizer to skip a step without asking the host.
    total, *values = summary.values
    finite = total.isfinite() & grad_norm.isfinite()
    for group in run.optimizer.param_groups:
        group["lr"] = config.learning_rate_at(run.at.step)
    run.optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
    run.optimizer.step()
    run.model.quantizer.update(summary.statistics, config.ema_decay, finite)

    with torch.no_grad():
        _, _, vq, latent_power = values[:4]
        run.health.count(finite, vq, latent_power)
    return [*values, grad_norm], summary


def step_fields(run: Run) -> tuple[str, ...]:
    """The names of a step's values."""
    extra = FIELDS if run.adversary else ()
    return ("loss", "l1", "vq", "latent_power", *extra, "grad_norm")
