"""``codec train`` with one thing of the codec broken.

    python -m tests.bench.verdicts.sabotage FAULT --data_dir ... (the flags of codec train)

Each fault is a few lines that replace one part of the package before training starts. ``none`` breaks nothing. The
only other change is that rows come every quarter of a second instead of every two, since these trainings last seconds.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import codec.training.prepare
import codec.training.run_logger
import codec.training.step
import codec.training.train
import codec.training.validate
from codec import cli
from codec.acoustics.normalize import normalize
from codec.config import TrainConfig
from codec.model.codec import Codec
from codec.model.quantizer import Quantized, ResidualQuantizer
from codec.training.dataset import Batch, CropDataset
from codec.training.exchange import Summary
from codec.training.state import Run
from codec.training.validate import HeldOut

ROW_SECONDS = 0.25
FAULTS: dict[str, Callable[[], None]] = {}
# The modules, to be patched: what they import from elsewhere is looked up in them too.
train: Any = codec.training.train
stepping: Any = codec.training.step
preparation: Any = codec.training.prepare
validation: Any = codec.training.validate


def fault(function: Callable[[], None]) -> Callable[[], None]:
    """Registers a fault under its function's name."""
    FAULTS[function.__name__] = function
    return function


@fault
def none() -> None:
    """A healthy training."""


# What goes into training.


@fault
def nan_clip() -> None:
    """One crop of every third batch is broken after normalization, as by a clip with a NaN."""
    batches(lambda x, _, index: _nan_crop(x) if index % 3 == 0 else x)


@fault
def nan_clip_later() -> None:
    """The same, and the batches that the codebooks begin with are whole."""
    batches(lambda x, _, index: _nan_crop(x) if index % 3 == 2 else x)


@fault
def nan_from_step_30() -> None:
    """Every batch is broken from step 30 on."""
    batches(lambda x, epoch, index: _nan_crop(x) if epoch > 0 or index >= 30 else x)


@fault
def one_nan_batch() -> None:
    """A single step is not finite, as under mixed precision: a healthy run."""
    batches(lambda x, epoch, index: _nan_crop(x) if (epoch, index) == (0, 20) else x)


@fault
def four_nan_batches() -> None:
    """Four scattered steps are not finite: a healthy run."""
    batches(lambda x, _, index: _nan_crop(x) if index == 15 else x)


@fault
def silent_batches() -> None:
    """The model hears nothing but silence."""
    batches(lambda x, _, __: torch.zeros_like(x))


@fault
def noise_batches() -> None:
    """The model hears noise instead of speech."""
    batches(lambda x, _, __: torch.randn_like(x) * 0.158)


@fault
def quiet_batches() -> None:
    """Training sees another level than validation: the gain was forgotten on one side."""
    batches(lambda x, _, __: x * 0.03)


# What it is asked for.


@fault
def shuffled_targets() -> None:
    """Each crop is compared with another crop of the batch."""
    targets(lambda x: x.roll(1, 0))


@fault
def reversed_targets() -> None:
    """Each crop is compared with itself played backwards."""
    targets(lambda x: x.flip(-1))


@fault
def wrong_sign() -> None:
    """The target is upside down."""
    targets(lambda x: -x)


@fault
def random_sign() -> None:
    """The target is upside down in every other batch, so that the best answer is silence."""
    targets(lambda x: x if torch.rand(()) < 0.5 else -x)


@fault
def late_by_a_hop() -> None:
    """The target comes a hop of 8 samples late."""
    targets(lambda x: x.roll(8, -1))


@fault
def late_by_40() -> None:
    """The target comes 40 samples late."""
    targets(lambda x: x.roll(40, -1))


@fault
def shifted_targets() -> None:
    """A DC offset on the target."""
    targets(lambda x: x + 0.2)


@fault
def quiet_targets() -> None:
    """The target has lost most of its level."""
    targets(lambda x: x * 0.3)


# The way through the model.


@fault
def frozen_decoder() -> None:
    """The decoder learns nothing."""
    before_step(lambda run: run.model.decoder.requires_grad_(False))


@fault
def frozen_encoder() -> None:
    """The encoder learns nothing."""
    before_step(lambda run: run.model.encoder.requires_grad_(False))


@fault
def frozen_weights() -> None:
    """The optimizer never steps; the gradients look healthy."""
    replace(torch.optim.AdamW, "step", lambda self, *_: None)


@fault
def scrambled_axes() -> None:
    """The quantized latents are reshaped where they should be transposed."""
    original = ResidualQuantizer.forward

    def forward(self: ResidualQuantizer, latents: Tensor, *rest: Any) -> Quantized:
        quantized = original(self, latents, *rest)
        scrambled = quantized.latents.transpose(1, 2).reshape(latents.shape)
        return Quantized(scrambled, quantized.codes, quantized.commitment, quantized.power, quantized.statistics)

    replace(ResidualQuantizer, "forward", forward)


@fault
def deaf_decoder() -> None:
    """Nothing of the latents reaches the decoder."""
    original = Codec._synthesise
    replace(Codec, "_synthesise", lambda self, latents, length: original(self, latents * 0, length))


@fault
def constant_output() -> None:
    """The decoder says one number."""
    outputs(lambda y: y * 0 + 0.1)


@fault
def dc_output() -> None:
    """The output is shifted."""
    outputs_heard(lambda y: y + 0.1)


@fault
def quiet_output() -> None:
    """The decoded audio is played back at 0.3 of its level."""
    outputs_heard(lambda y: y * 0.3)


@fault
def loud_output() -> None:
    """The decoded audio is played back at 3 times its level."""
    outputs_heard(lambda y: y * 3)


@fault
def flipped_output() -> None:
    """The decoded audio is upside down."""
    outputs_heard(lambda y: -y)


@fault
def late_output() -> None:
    """The decoded audio comes a hop of 8 samples late."""
    outputs_heard(lambda y: y.roll(8, -1))


@fault
def input_as_output() -> None:
    """Validation compares the input with itself."""
    original = validation._clip_metrics
    replace(validation, "_clip_metrics", lambda x, y, rate: original(x, x + 1e-5 * y, rate))


@fault
def nan_output() -> None:
    """The decoded audio of one validation crop has a NaN."""
    original = validation.validate

    def broken_validate(model: Codec, held_out: HeldOut, *rest: Any) -> Any:
        broken = HeldOut(_nan_crop(held_out.audio), held_out.lengths, held_out.gain)
        return original(model, broken, *rest)

    replace(train, "validate", broken_validate)


@fault
def padded_validation() -> None:
    """Validation crops are three quarters padding that counts as real, in level and in every metric."""
    original = preparation.validation_crops

    def crops(packed: Any, clips: Any, segment: int, *rest: int) -> tuple[Tensor, Tensor, Tensor]:
        x, lengths, _ = original(packed, clips, segment, *rest)
        x = x.clone()
        x[..., segment // 4 :] = 0
        y, gain = normalize(x)
        return y, torch.full_like(lengths, x.shape[-1]), gain

    replace(preparation, "validation_crops", crops)


@fault
def leaky_split() -> None:
    """Validation crops come from the clips that are learned from."""
    original = preparation.split

    def split(*arguments: Any) -> tuple[Any, Any]:
        learned, held_out = original(*arguments)
        return learned, learned[: len(held_out)]

    replace(preparation, "split", split)


# The quantizer.


@fault
def codebooks_not_updated() -> None:
    """The codebooks stay where the untrained encoder was."""
    replace(ResidualQuantizer, "update", lambda *_: None)


@fault
def codebooks_from_zero() -> None:
    """EMA state that starts at zero: an unused code is divided by almost nothing, and no dead code is replaced."""

    def initialise(self: ResidualQuantizer, latents: Tensor) -> None:
        self.ema_usage.zero_()

    replace(ResidualQuantizer, "codebooks", property(lambda self: self.ema_sum / (self.ema_usage + 1e-5).unsqueeze(-1)))
    replace(ResidualQuantizer, "initialise", initialise)
    replace(ResidualQuantizer, "update", _plain_ema)


@fault
def dead_codebooks() -> None:
    """Codes far from the data from the first step on, and never moved."""
    replace(ResidualQuantizer, "initialise", lambda self, _: self.ema_sum.mul_(100))
    replace(ResidualQuantizer, "update", lambda *_: None)


@fault
def one_code() -> None:
    """Whatever the latents are, the first code is chosen."""
    import codec.model.quantizer

    def first(vectors: Tensor, codebook: Tensor) -> Tensor:
        return torch.zeros(len(vectors), dtype=torch.int64)

    replace(codec.model.quantizer, "_nearest", first)


@fault
def late_codebook_collapse() -> None:
    """After the first epoch every code becomes the same one."""

    def collapse(run: Run) -> None:
        if run.at.epoch >= 1:
            books = run.model.quantizer
            books.ema_sum.copy_(books.ema_sum[:, :1].expand_as(books.ema_sum))
            books.ema_usage.copy_(books.ema_usage[:, :1].expand_as(books.ema_usage))

    before_step(collapse)


# The optimizer's step.


@fault
def zero_gradient() -> None:
    """The gradient is cut off."""

    def clip(parameters: Any, _: float) -> Any:
        norms = [p.grad.zero_().norm() for p in parameters if p.grad is not None]
        return torch.stack(norms).norm()

    replace(stepping, "clip_grad_norm_", clip)


@fault
def gradient_ascent() -> None:
    """The update has the wrong sign."""
    rate(lambda config, step, lr: -lr)


@fault
def exploding_warmup() -> None:
    """The rate grows by a fifth at each step and never stops."""
    rate(lambda config, step, lr: 1e-4 * min(1.2**step, 1e6))


@fault
def late_blow_up() -> None:
    """The rate is 1,000 times too high from the third epoch on."""
    late_rate(1000)


@fault
def rate_decayed_to_nothing() -> None:
    """The rate falls to a millionth before anything is learned."""
    rate(lambda config, step, lr: lr * 0.7**step)


@fault
def finished_learning() -> None:
    """A rate that has come down after two good epochs: a healthy, converged run."""
    late_rate(0.02)


@fault
def late_collapse() -> None:
    """After two good epochs the output fades by a tenth at each step."""
    level = [1.0]
    before_step(lambda run: level.__setitem__(0, level[0] * (0.9 if run.at.epoch >= 2 else 1)))
    outputs(lambda y: y * level[0])


@fault
def late_nan_weights() -> None:
    """A weight becomes NaN in the third epoch."""

    def poison(run: Run) -> None:
        if run.at.epoch == 2 and run.at.index == 20:
            next(run.model.decoder.parameters()).data.view(-1)[0] = float("nan")

    before_step(poison)


@fault
def infinite_loss() -> None:
    """The loss overflows from step 25 on."""
    original = stepping.training_loss
    steps = iter(range(10**9))
    replace(stepping, "training_loss", lambda *a: original(*a) * (float("inf") if next(steps) >= 25 else 1))


@fault
def hidden_nan() -> None:
    """From step 30 on a NaN is swallowed: the loss is set to 1.0 and the batch is skipped."""
    original = train.step

    def step(run: Run, stop: bool) -> Any:
        if run.at.step < 30:
            return original(run, stop)
        batch, share = run.data.batch(run.at.epoch, run.at.index)
        statistics = run.model(batch.audio, batch.lengths, share).statistics
        return [torch.tensor(value) for value in (1.0, 1.0, 0.0, 1.0, 0.5)], Summary(statistics, [], None)

    replace(train, "step", step)


@fault
def skipped_batches() -> None:
    """From the second epoch on every batch is skipped, and the values of the last good step are reported again."""
    original = train.step
    last: list[tuple[list[Tensor], Summary]] = []

    def step(run: Run, stop: bool) -> tuple[list[Tensor], Summary]:
        if run.at.epoch < 1:
            last[:] = [original(run, stop)]
        else:
            time.sleep(0.02)  # what loading and looking at a batch takes
        return last[0]

    replace(train, "step", step)


def main() -> None:
    """Breaks what the first argument says, then trains by the others."""
    FAULTS[sys.argv.pop(1)]()
    torch.set_num_threads(1)
    codec.training.run_logger.ROW_SECONDS = ROW_SECONDS
    sys.argv.insert(1, "train")
    cli.main()


def replace(owner: object, name: str, by: object) -> None:
    """Puts something in the place of a part of the package, which must be there."""
    getattr(owner, name)
    setattr(owner, name, by)


def batches(change: Callable[[Tensor, int, int], Tensor]) -> None:
    """Changes training batches [B, 1, T] after normalization, by epoch and index."""
    original = CropDataset.batch

    def batch(self: CropDataset, epoch: int, index: int, *rest: int) -> Batch:
        whole = original(self, epoch, index, *rest)
        return whole._replace(audio=change(whole.audio, epoch, index))

    replace(CropDataset, "batch", batch)


def targets(change: Callable[[Tensor], Tensor]) -> None:
    """Changes what the decoded audio is compared with in training."""
    original = stepping.masked_l1
    replace(stepping, "masked_l1", lambda y, x, *rest: original(y, change(x), *rest))


def outputs(change: Callable[[Tensor], Tensor]) -> None:
    """Changes what the decoder says, always."""
    original = Codec._synthesise
    replace(Codec, "_synthesise", lambda self, latents, length: change(original(self, latents, length)))


def outputs_heard(change: Callable[[Tensor], Tensor]) -> None:
    """Changes what the decoder says in validation."""
    original = validation._clip_metrics
    replace(validation, "_clip_metrics", lambda x, y, rate: original(x, change(y), rate))


def before_step(act: Callable[[Run], object]) -> None:
    """Does something before each training step."""
    original = train.step

    def step(run: Run, stop: bool) -> Any:
        act(run)
        return original(run, stop)

    replace(train, "step", step)


def rate(change: Callable[[TrainConfig, int, float], float]) -> None:
    """Changes the learning rate, in the step and in the row."""
    original = TrainConfig.learning_rate_at
    replace(TrainConfig, "learning_rate_at", lambda config, step: change(config, step, original(config, step)))


def late_rate(factor: float) -> None:
    """Multiplies the rate from the third epoch on."""
    epoch = [0]
    before_step(lambda run: epoch.__setitem__(0, run.at.epoch))
    rate(lambda config, step, lr: lr * (factor if epoch[0] >= 2 else 1))


def _nan_crop(x: Tensor) -> Tensor:
    x = x.clone()
    x[0, :, 0] = float("nan")
    return x


def _plain_ema(self: ResidualQuantizer, statistics: Any, decay: float, finite: Tensor) -> None:
    """Moving averages of sums and counts without the care that the package takes."""
    self.ema_usage.mul_(decay).add_((1 - decay) * statistics.counts)
    self.ema_sum.mul_(decay).add_((1 - decay) * statistics.sums)


if __name__ == "__main__":
    main()
