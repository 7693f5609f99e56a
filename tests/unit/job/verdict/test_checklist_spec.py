from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from job.spec.model import JobSpec
from job.verdict.checklist_spec import METRICS, Band, Checklist, Improvement
from job.verdict.hints import HINTS
from job.verdict.rules.limits import DEFAULT_CAUSES, Limit


def checklist(**settings: Any) -> Checklist:
    return Checklist.model_validate(settings)


def test_the_default_is_the_users_table() -> None:
    default = checklist()
    assert (default.epoch, default.min_steps) == (1, 3000)
    assert {name: band.text() for name, band in default.bands()} == {
        "loss": "good < 0.5, bad > 1",
        "snr_db": "good > 5, bad < 0",
        "amplitude": "good > 0.75, bad < 0.6",
    }
    assert default.improvement is not None
    assert (default.improvement.metric, default.improvement.patience) == ("snr_db", 3)
    assert (default.faults.nonfinite_run, default.faults.nonfinite_share) == (10, 0.1)
    assert default.faults.dead_codebook_steps == 100


def test_a_sign_is_laid_over_its_default() -> None:
    bands = dict(checklist(signs={"loss": {"bad_above": 2.0}, "l1_ratio": {"bad_above": 0.98}}).bands())
    assert bands["loss"] == Band(good_below=0.5, bad_above=2.0)
    assert bands["l1_ratio"] == Band(bad_above=0.98)
    assert bands["snr_db"].text() == "good > 5, bad < 0"


def test_null_removes_a_sign_or_one_of_its_limits() -> None:
    bands = dict(checklist(signs={"loss": None, "snr_db": {"bad_below": None}}).bands())
    assert list(bands) == ["snr_db", "amplitude"]
    assert not bands["snr_db"].is_bad(-100.0)


def test_where_there_is_only_a_bad_limit_the_rest_is_good() -> None:
    band = Band(bad_above=0.98)
    assert [(band.is_good(value), band.is_bad(value)) for value in (0.98, 0.99)] == [(True, False), (False, True)]


def test_where_there_is_only_a_good_limit_nothing_is_bad() -> None:
    band = Band(good_above=0.5)
    assert [(band.is_good(value), band.is_bad(value)) for value in (0.5, 0.6)] == [(False, False), (True, False)]


def test_a_band_with_two_sides() -> None:
    band = Band(good_above=-0.1, good_below=0.1, bad_above=0.3, bad_below=-0.3)
    states = [(band.is_good(value), band.is_bad(value)) for value in (-0.31, -0.2, 0.0, 0.2, 0.31)]
    assert states == [(False, True), (False, False), (True, False), (False, False), (False, True)]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"signs": {"snr": {"good_above": 5}}}, "unknown metric 'snr': did you mean 'snr_db'"),
        ({"signs": {"loss": {"bad_above": 0.1}}}, "bad_above 0.1 lies below good_below 0.5"),
        ({"signs": {"snr_db": {"bad_below": 9}}}, "bad_below 9 lies above good_above 5"),
        ({"signs": {"correlation": {}}}, "names no limit"),
        ({"signs": {"loss": {"above": 1}}}, "Extra inputs are not permitted"),
        ({"signs": {"loss": 1}}, "valid dictionary"),
        ({"signs": None}, "valid dictionary"),
        ({"signs": {"loss": {"bad_above": float("inf")}}}, "finite number"),
        ({"signs": {"loss": {"bad_above": float("nan")}}}, "finite number"),
        ({"epoch": 0}, "greater than or equal to 1"),
        ({"min_steps": -1}, "greater than or equal to 0"),
        ({"patience": 3}, "Extra inputs are not permitted"),
        ({"improvement": {"metric": "pesq"}}, "unknown metric 'pesq'"),
        ({"improvement": {"metric": "lag"}}, "lag is best at zero"),
        ({"improvement": {"patience": 0}}, "greater than or equal to 1"),
        ({"faults": {"nonfinite_share": 0}}, "greater than 0"),
        ({"recipe": "perceptive"}, "Input should be 'waveform' or 'perceptual'"),
        ({"causes": {"zero_corelation": None}}, "unknown cause 'zero_corelation': did you mean 'zero_correlation'"),
        ({"causes": {"zero_correlation": {"above": 1}}}, "Extra inputs are not permitted"),
        ({"causes": {"zero_correlation": {"rows": 0}}}, "greater than or equal to 1"),
        ({"causes": {"zero_correlation": 3}}, "valid dictionary"),
        ({"causes": {"dc_shift": {"limit": float("nan")}}}, "finite number"),
        ({"causes": []}, "valid dictionary"),
    ],
)
def test_a_checklist_that_makes_no_sense_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        checklist(**settings)


@pytest.mark.parametrize("metric", [name for name in METRICS if name not in ("lag", "dc_offset")])
def test_better_has_a_direction(metric: str) -> None:
    rule = Improvement(metric=metric, patience=1)
    lower = metric in ("loss", "l1", "vq", "l1_ratio", "mel_distance")
    assert rule.better(0.1, than=0.2) is lower
    assert rule.better(0.2, than=0.1) is not lower
    assert not rule.better(0.1, than=0.1)
    assert rule.best([0.3, 0.1, 0.2]) == (0.1 if lower else 0.3)


def test_a_cause_is_laid_over_its_default() -> None:
    causes = checklist(causes={"zero_correlation": {"rows": 5}, "dc_shift": None}).causes
    assert causes["zero_correlation"] == Limit(limit=0.05, rows=5)
    assert causes["dc_shift"] is None
    assert {name: causes[name] for name in DEFAULT_CAUSES if name not in ("zero_correlation", "dc_shift")} == {
        name: limit for name, limit in DEFAULT_CAUSES.items() if name not in ("zero_correlation", "dc_shift")
    }


def test_a_recipe_brings_its_own_signs() -> None:
    perceptual = Checklist.for_recipe("perceptual")
    assert [name for name, _ in perceptual.bands()] == ["mel_distance", "amplitude", "perplexity"]
    assert perceptual.improvement == Improvement(metric="mel_distance", patience=3)
    assert Checklist.for_recipe("waveform") == checklist()
    patient = checklist(recipe="perceptual", improvement={"patience": 9}, signs={"snr_db": {"bad_below": -20}})
    assert patient.improvement == Improvement(metric="mel_distance", patience=9)
    assert dict(patient.bands())["snr_db"] == Band(bad_below=-20)
    assert checklist(recipe="perceptual", improvement=None).improvement is None


@pytest.mark.parametrize("recipe", ["waveform", "perceptual"])
def test_every_sign_has_its_hint(recipe: str) -> None:
    default = Checklist.for_recipe(recipe)
    faults = ["improvement", "non_finite", "dead_codebooks", "blow_up"]
    for name in [*(name for name, _ in default.bands()), *default.causes, *faults]:
        assert HINTS[name].startswith("Usually ")
        assert "; " in HINTS[name]


def test_the_documents_say_what_each_cause_means() -> None:
    page = (Path(__file__).parents[4] / "docs" / "bad-signs.md").read_text(encoding="utf-8")
    assert [name for name in DEFAULT_CAUSES if f"| `{name}` | {HINTS[name]} |" not in page] == []


def test_perceptual_survives_the_record() -> None:
    changed = checklist(recipe="perceptual", causes={"dc_shift": None, "inverted": {}}, signs={"perplexity": None})
    assert Checklist.model_validate(changed.model_dump(mode="json")) == changed


def test_a_checklist_survives_the_record() -> None:
    changed = checklist(signs={"loss": None, "l1_ratio": {"bad_above": 0.98}}, improvement=None, min_steps=5)
    assert Checklist.model_validate(changed.model_dump(mode="json")) == changed


def test_strict_is_one_word() -> None:
    assert Checklist.model_validate("strict") == checklist(strict=True)
    job = JobSpec.model_validate(
        {"name": "x", "data": "clips", "train": {"recipe": "perceptual"}, "checklist": "strict"}
    )
    assert (job.checklist.strict, job.checklist.recipe) == (True, "perceptual")
