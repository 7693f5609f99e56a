"""Good runs that are trained for real: other data, other sizes, other luck."""

from collections.abc import Mapping
from typing import Any

from tests.bench.verdicts.case import Case, Training


def _good(
    name: str,
    what: str,
    fault: str = "none",
    data: str = "telugu",
    interrupt: tuple[str, int] | None = None,
    checklist: Mapping[str, Any] | None = None,
    known: str = "",
    **flags: object,
) -> Case:
    how = Training(flags, fault, data, interrupt)
    return Case(name, "good", what, how, (), checklist or {"min_steps": 40}, known)


GOOD = [
    _good("base", "the bench's usual codec"),
    _good("seed_1", "another seed", seed=1),
    _good("seed_2", "another seed", seed=2),
    _good("seed_3", "another seed", seed=3),
    # Sizes.
    _good("wider", "twice the width", hidden_dim=32),
    _good("strides_2_4", "two blocks", strides="2,4", num_epochs=4, checklist={"min_steps": 90}),
    _good("strides_4", "a hop of 4", strides="4", num_epochs=4, checklist={"min_steps": 90}),
    _good(
        "two_stages",
        "2 stages: few bits, and a swing of the level at step 80",
        num_quantizers=2,
    ),
    _good("three_stages", "3 stages", num_quantizers=3),
    _good("eight_stages", "8 stages", num_quantizers=8),
    _good("sixteen_codes", "codebooks of 16", codebook_size=16),
    _good("many_codes", "codebooks of 512", codebook_size=512),
    # Learning.
    _good("half_the_rate", "half the rate", learning_rate=1.5e-3, num_epochs=4, checklist={"min_steps": 90}),
    _good("twice_the_rate", "twice the rate", learning_rate=6e-3),
    _good(
        "slow_start",
        "a warm-up of 150 steps, decided from step 180",
        warmup_steps=150,
        num_epochs=5,
        checklist={"min_steps": 180},
    ),
    _good("no_warmup", "no warm-up", warmup_steps=0),
    _good("commitment_x4", "four times the commitment", commitment_weight=1.0),
    _good(
        "commitment_x1000",
        "meant as a bad run, but without clipping, too, a codec this small learns all the same",
        commitment_weight=250.0,
        grad_clip=1e9,
    ),
    _good("fast_codebooks", "EMA of 0.9", ema_decay=0.9),
    _good("tight_clipping", "gradient norm of 0.1", grad_clip=0.1),
    _good(
        "finished_learning",
        "the rate comes down after two epochs, the run has converged",
        "finished_learning",
        num_epochs=8,
    ),
    # Crops and epochs.
    _good("short_crops", "a sixteenth of a second", segment_length=1000, batch_size=12),
    _good("long_crops", "half a second", segment_length=8000, batch_size=2),
    _good(
        "short_epochs",
        "epochs of 8 steps, decided from step 60",
        batch_size=32,
        num_epochs=20,
        checklist={"min_steps": 60},
    ),
    _good(
        "few_crops", "a validation of few crops is noisy", data="three clips", num_epochs=8, checklist={"min_steps": 60}
    ),
    # Data.
    _good(
        "real_speech", "people instead of a synthesizer", data="real speech", num_epochs=4, checklist={"min_steps": 90}
    ),
    _good("quiet_clips", "clips 26 dB lower", data="quiet"),
    _good("two_levels", "every other clip 28 dB lower", data="two levels"),
    _good(
        "two_rates",
        "every other clip at half the rate, which it learns more slowly",
        data="two rates",
        checklist={"min_steps": 60},
    ),
    _good("pauses", "a second of silence after each clip", data="pauses"),
    _good("noisy_clips", "clips with hiss", data="noisy"),
    # What happens on the way.
    _good("one_nan_batch", "one step is not finite, as under mixed precision", "one_nan_batch"),
    _good("four_nan_batches", "one step of each epoch is not finite", "four_nan_batches"),
    _good("stopped_and_resumed", "stopped by request at step 60, then resumed", interrupt=("stop", 60)),
    _good("preempted", "SIGTERM at step 30, then resumed", interrupt=("SIGTERM", 30)),
    _good(
        "killed_and_resumed", "SIGKILL at step 70, resumed at 46: 24 steps were done twice", interrupt=("SIGKILL", 70)
    ),
    # Odd, and yet it learns.
    _good("frozen_encoder", "a random encoder that never learns still tells the decoder enough", "frozen_encoder"),
]
