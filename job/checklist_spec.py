"""What the checklist may be told in job.yaml, with the user's epoch-1 table as its default."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from job.nearest import did_you_mean

# The validation metrics a sign may judge (docs/architecture.md defines them), and those where less is better.
METRICS = (
    "loss",
    "l1",
    "vq",
    "l1_ratio",
    "snr_db",
    "si_sdr_db",
    "amplitude",
    "correlation",
    "dc_offset",
    "lag",
    "mel_distance",
)
LOWER_IS_BETTER = frozenset({"loss", "l1", "vq", "l1_ratio", "mel_distance"})
# Best at zero, and signed: neither more nor less is better.
BEST_AT_ZERO = frozenset({"dc_offset", "lag"})


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"unknown metric{did_you_mean(name, METRICS)}; known: {', '.join(METRICS)}")
    return name


Metric = Annotated[str, AfterValidator(_known_metric)]


class _Part(BaseModel):
    # YAML knows .nan and .inf; as a limit they would switch a sign off unseen.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Band(_Part):
    """Limits of one metric: good beyond one, bad beyond the other, undecided between them. Limits are exclusive."""

    good_above: float | None = None
    good_below: float | None = None
    bad_above: float | None = None
    bad_below: float | None = None

    @model_validator(mode="after")
    def _sane(self) -> "Band":
        limits = [self.good_above, self.good_below, self.bad_above, self.bad_below]
        if all(limit is None for limit in limits):
            raise ValueError("names no limit: give good_above, good_below, bad_above or bad_below")
        if self.good_above is not None and self.bad_below is not None and self.bad_below > self.good_above:
            raise ValueError(f"bad_below {self.bad_below:g} lies above good_above {self.good_above:g}")
        if self.good_below is not None and self.bad_above is not None and self.bad_above < self.good_below:
            raise ValueError(f"bad_above {self.bad_above:g} lies below good_below {self.good_below:g}")
        return self

    def is_bad(self, value: float) -> bool:
        """Beyond a bad limit; without one, never."""
        return (self.bad_above is not None and value > self.bad_above) or (
            self.bad_below is not None and value < self.bad_below
        )

    def is_good(self, value: float) -> bool:
        """Beyond every good limit there is; where there is only a bad limit, whatever is not bad."""
        return (
            not self.is_bad(value)
            and (self.good_above is None or value > self.good_above)
            and (self.good_below is None or value < self.good_below)
        )

    def good_text(self) -> str:
        """The good limits in words, such as ``> 5``."""
        return _limits((">", self.good_above), ("<", self.good_below))

    def bad_text(self) -> str:
        """The bad limits in words, such as ``< 0``."""
        return _limits((">", self.bad_above), ("<", self.bad_below))

    def text(self) -> str:
        """Both limits in words."""
        named = (("good", self.good_text()), ("bad", self.bad_text()))
        return ", ".join(f"{name} {limits}" for name, limits in named if limits)


class Improvement(_Part):
    """A metric must be better than in every earlier row; ``patience`` strikes in a row, once decisive, are bad."""

    metric: Metric = "snr_db"
    patience: int = Field(3, ge=1)

    @field_validator("metric")
    @classmethod
    def _can_improve(cls, metric: str) -> str:
        if metric in BEST_AT_ZERO:
            raise ValueError(f"{metric} is best at zero, so it cannot be followed as better or worse: choose another")
        return metric

    def better(self, value: float, than: float) -> bool:
        """Whether ``value`` is strictly better."""
        return value < than if self.metric in LOWER_IS_BETTER else value > than

    def best(self, values: Iterable[float]) -> float:
        """The best of some values."""
        return min(values) if self.metric in LOWER_IS_BETTER else max(values)


class FaultLimits(_Part):
    """Hard faults: they act from the first steps on. Sources: docs/bad-signs.md."""

    nonfinite_run: int = Field(10, ge=1, description="non-finite steps in a row")
    nonfinite_share: float = Field(0.1, gt=0, le=1, description="non-finite share of one epoch's steps")
    dead_codebook_steps: int = Field(100, ge=1, description="steps with a commitment error >= the latents' power")
    blow_up_snr_db: float = Field(-10.0, description="a validation SNR below this")
    saturated_l1: float = Field(0.5, gt=0, description="training L1 of an output that saturates")
    saturated_rows: int = Field(3, ge=1, description="rows in a row with such an L1")


DEFAULT_SIGNS: dict[str, dict[str, float]] = {
    "loss": {"good_below": 0.5, "bad_above": 1.0},
    "snr_db": {"good_above": 5.0, "bad_below": 0.0},
    "amplitude": {"good_above": 0.75, "bad_below": 0.60},
}


class Checklist(_Part):
    """The checklist of a run. ``signs`` given in job.yaml are laid over the default table; ``null`` removes one."""

    epoch: int = Field(1, ge=1, description="the first epoch whose validation may decide")
    min_steps: int = Field(3000, ge=0, description="optimizer steps before which the table does not decide")
    signs: dict[Metric, Band | None] = Field(default_factory=dict)
    improvement: Improvement | None = Field(default_factory=lambda: Improvement.model_validate({}))
    faults: FaultLimits = Field(default_factory=lambda: FaultLimits.model_validate({}))

    @model_validator(mode="before")
    @classmethod
    def _over_the_default_table(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("signs", {}), dict):
            return data
        signs: dict[str, Any] = dict(DEFAULT_SIGNS)
        for name, band in data.get("signs", {}).items():
            default = DEFAULT_SIGNS.get(name, {})
            signs[name] = {**default, **band} if isinstance(band, dict) else band
        return {**data, "signs": signs}

    def bands(self) -> Iterator[tuple[str, Band]]:
        """The signs that are judged."""
        return ((name, band) for name, band in self.signs.items() if band is not None)

    def metrics(self) -> list[str]:
        """Every metric that the checklist reads from a validation row."""
        return [name for name, _ in self.bands()] + ([self.improvement.metric] if self.improvement else [])


def _limits(*limits: tuple[str, float | None]) -> str:
    return " and ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)
