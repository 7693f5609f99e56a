"""The causes that are looked for, with the limits that job.yaml may change."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from job.errors import did_you_mean


class Limit(BaseModel):
    """When a cause is seen: beyond ``limit`` (its meaning: docs/bad-signs.md) in ``rows`` rows in a row."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    limit: float
    rows: int = Field(1, ge=1)


# Sources of the limits: docs/bad-signs.md.
DEFAULT_CAUSES: dict[str, Limit] = {
    # In training rows, from the first on.
    "exploding_loss": Limit(limit=1000.0, rows=3),  # times the lowest so far, and > 100
    "exploding_gradient": Limit(limit=1e4, rows=3),  # times the lowest so far, and > 1e5
    "frozen_loss": Limit(limit=0.0, rows=10),  # difference
    "vanished_gradient": Limit(limit=0.0, rows=10),  # gradient norm at most
    "starved_gpu": Limit(limit=10.0, rows=3),  # seconds a step
    "no_learning_rate": Limit(limit=1e-7, rows=3),  # learning rate below, or a millionth of its peak
    "training_plateau": Limit(limit=0.98, rows=1),  # training L1, as a share of the untrained model's
    "lossy_training": Limit(limit=0.05, rows=2),  # share of an epoch's steps that were not finite; epochs
    # In validation rows.
    "zero_correlation": Limit(limit=0.05, rows=3),  # absolute correlation below
    "silent_plateau": Limit(limit=0.98, rows=1),  # l1_ratio at least
    "codebook_collapse": Limit(limit=0.01, rows=2),  # mean perplexity over stages below, as a share
    "dead_stages": Limit(limit=0.5, rows=2),  # share of the stages that use one code
    "missed_codes": Limit(limit=0.9, rows=1),  # commitment error in training, as a share of the latents' power
    "bypassed_codes": Limit(limit=1.0, rows=1),  # dB above what the bits can carry
    "lost_progress": Limit(limit=3.0, rows=2),  # dB below the best; a distance half as much again
    "unmoved": Limit(limit=0.01, rows=1),  # share that its figures differ from the untrained model's
    "empty_training": Limit(limit=0.01, rows=1),  # training L1, as a share of the held-out
    "unlike_training": Limit(limit=3.0, rows=1),  # held-out L1, times that of training
    "gain_fault": Limit(limit=3.0, rows=1),  # dB of SI-SDR above SNR
    "inverted": Limit(limit=-0.5, rows=1),  # correlation below
    "dc_shift": Limit(limit=0.3, rows=1),  # absolute offset above
    "misalignment": Limit(limit=1.0, rows=2),  # samples at least, the same in all rows
    "skipped_steps": Limit(limit=0.1, rows=1),  # share of an epoch's steps that were not done
    "trivial": Limit(limit=60.0, rows=1),  # dB of SNR above
    "few_crops": Limit(limit=8.0, rows=1),  # crops below
    "overfitting": Limit(limit=3.0, rows=1),  # dB that crops learnt from are better
    "worst_crops": Limit(limit=0.0, rows=1),  # dB of the worst tenth of the crops below
    "clipped": Limit(limit=0.01, rows=1),  # share of the samples above
    "high_band": Limit(limit=1.2, rows=1),  # mel distance above 4 kHz
    "loud": Limit(limit=0.3, rows=1),  # amplitude above the honest one
    # Once there is a discriminator.
    "dead_discriminator": Limit(limit=0.02, rows=3),  # hinge loss within this of 2.00; epochs
    "adversarial_explosion": Limit(limit=2.0, rows=1),  # times the lowest validation loss
}


def _known_cause(name: str) -> str:
    if name not in DEFAULT_CAUSES:
        raise ValueError(f"unknown cause{did_you_mean(name, DEFAULT_CAUSES)}; known: {', '.join(DEFAULT_CAUSES)}")
    return name


CauseName = Annotated[str, AfterValidator(_known_cause)]
