"""What the checklist may be told in job.yaml, with the user's epoch-1 table as its default."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from job.errors import did_you_mean
from job.verdict.rules.limits import DEFAULT_CAUSES, CauseName, Limit
from job.verdict.rules.recipes import RECIPES, Recipe

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
    "perplexity",
    "codes_used",
)
DECIBELS = frozenset({"snr_db", "si_sdr_db"})
LOWER_IS_BETTER = frozenset({"loss", "l1", "vq", "l1_ratio", "mel_distance"})
# Best at zero, and signed: neither more nor less is better.
BEST_AT_ZERO = frozenset({"dc_offset", "lag"})


# The default of min_steps. It counts audio where rows say how much a step has (job/verdict/clock.py); any other number
# is optimizer steps.
DEFAULT_MIN_STEPS = 3000


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

    metric: Metric = Field("snr_db", description="what has to get better")
    patience: int = Field(3, ge=1, description="strikes in a row that are bad")

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


class Checklist(_Part):
    """The checklist of a run. What job.yaml says is laid over the recipe's defaults; ``null`` removes a sign."""

    recipe: Recipe = Field("waveform", description="brings the default signs; a job's default is its train.recipe")
    epoch: int = Field(1, ge=1, description="the first epoch whose validation may decide")
    min_steps: int = Field(
        DEFAULT_MIN_STEPS,
        ge=0,
        description="optimizer steps before which the table does not decide; the default means 48,000 s of audio",
    )
    strict: bool = Field(
        False,
        description="the letter of the table: one row condemns, at any rate; `checklist: strict` alone says it too",
    )
    signs: dict[Metric, Band | None] = Field(
        default_factory=dict, description="limits of a metric: good_above, good_below, bad_above, bad_below; or null"
    )
    improvement: Improvement | None = Field(
        default_factory=lambda: Improvement.model_validate({}), description="null removes the sign"
    )
    causes: dict[CauseName, Limit | None] = Field(
        default_factory=dict, description="limit and rows of a cause that is looked for; or null"
    )
    faults: FaultLimits = Field(
        default_factory=lambda: FaultLimits.model_validate({}), description="act from the first steps on"
    )

    @classmethod
    def for_recipe(cls, name: str) -> "Checklist":
        """The default checklist of a recipe."""
        return cls.model_validate({"recipe": name})

    @model_validator(mode="before")
    @classmethod
    def _over_the_recipes_defaults(cls, data: Any) -> Any:
        if data == "strict":
            data = {"strict": True}
        if not isinstance(data, dict):
            return data
        recipe = RECIPES.get(str(data.get("recipe", "waveform")), RECIPES["waveform"])
        usual = {name: limit.model_dump() for name, limit in DEFAULT_CAUSES.items()}
        laid = {
            "signs": _laid_over(recipe["signs"], data.get("signs", {})),
            "causes": _laid_over(usual | recipe["causes"], data.get("causes", {}), usual),
            "improvement": data.get("improvement", {}),
        }
        if isinstance(laid["improvement"], dict):
            laid["improvement"] = {**recipe["improvement"], **laid["improvement"]}
        return {**data, **laid}

    def bands(self) -> Iterator[tuple[str, Band]]:
        """The signs that are judged."""
        return ((name, band) for name, band in self.signs.items() if band is not None)

    def metrics(self) -> list[str]:
        """Every metric that the checklist reads from a validation row."""
        return [name for name, _ in self.bands()] + ([self.improvement.metric] if self.improvement else [])


def _laid_over(defaults: dict[str, Any], given: Any, usual: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """A mapping of mappings laid over the defaults, key by key; what isn't a mapping is left to be complained about.

    What the defaults leave out comes back with its ``usual`` values for what isn't said.
    """
    if not isinstance(given, dict):
        return given
    laid = dict(defaults)
    for name, limits in given.items():
        under = defaults.get(name) or usual.get(name) or {}
        laid[name] = {**under, **limits} if isinstance(limits, dict) else limits
    return laid


def _limits(*limits: tuple[str, float | None]) -> str:
    return " and ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)
