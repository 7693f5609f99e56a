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
    # In validation rows.
    "zero_correlation": Limit(limit=0.05, rows=3),  # absolute correlation below
    "silent_plateau": Limit(limit=0.98, rows=1),  # l1_ratio at least
    "codebook_collapse": Limit(limit=0.01, rows=2),  # mean perplexity over stages below, as a share
    "gain_fault": Limit(limit=3.0, rows=1),  # dB of SI-SDR above SNR
    "inverted": Limit(limit=-0.5, rows=1),  # correlation below
    "dc_shift": Limit(limit=0.3, rows=1),  # absolute offset above
    "misalignment": Limit(limit=1.0, rows=2),  # samples at least, the same in all rows
    "skipped_steps": Limit(limit=0.1, rows=1),  # share of an epoch's steps that were not done
    "trivial": Limit(limit=60.0, rows=1),  # dB of SNR above
    "few_crops": Limit(limit=8.0, rows=1),  # crops below
    # Once there is a discriminator.
    "dead_discriminator": Limit(limit=0.02, rows=3),  # hinge loss within this of 2.00; epochs
    "adversarial_explosion": Limit(limit=2.0, rows=1),  # times the lowest validation loss
}


def _known_cause(name: str) -> str:
    if name not in DEFAULT_CAUSES:
        raise ValueError(f"unknown cause{did_you_mean(name, DEFAULT_CAUSES)}; known: {', '.join(DEFAULT_CAUSES)}")
    return name


CauseName = Annotated[str, AfterValidator(_known_cause)]
