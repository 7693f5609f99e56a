"""One optimizer step, during which the host waits for nothing."""

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from codec.exchange import Exchange, Summary
from codec.losses import masked_l1, reported_loss, training_loss
from codec.run import Run
from codec.schedule import learning_rate


def step(run: Run, stop: bool = False) -> tuple[list[Tensor], Summary]:
    """Do a step. Returns recorder.STEP_FIELDS' values, still on the device, and what all ranks said.

    `stop` is this rank's wish to stop, which goes to the others.
    """
    config = run.config
    batch, share = run.data.batch(run.at.epoch, run.at.index)
    decoded = run.parallel(batch.audio, batch.lengths, share)
    l1 = masked_l1(decoded.audio, batch.audio, batch.lengths, share.samples())
    loss = training_loss(l1, decoded.commitment, config.commitment_weight)
    reported = [reported_loss(l1, decoded.commitment), l1, decoded.commitment.mean(), decoded.latent_power]
    exchange = Exchange(run.ranks, decoded.statistics, [loss, *reported], stop)
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    grad_norm = clip_grad_norm_(run.model.parameters(), config.grad_clip)
    summary = exchange.finish()

    # A non-finite step, on whatever rank, changes neither weights nor optimizer nor codebooks. `found_inf` is
    # how GradScaler tells the fused optimizer to skip a step without asking the host.
    total, *values = summary.values
    finite = total.isfinite() & grad_norm.isfinite()
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(config, run.at.step)
    run.optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
    run.optimizer.step()
    run.model.quantizer.update(summary.statistics, config.ema_decay, finite)

    with torch.no_grad():
        _, _, vq, latent_power = values
        run.health.count(finite, vq, latent_power)
    return [*values, grad_norm], summary
