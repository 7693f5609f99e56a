from typing import Any

import pytest

from job.checks.finding import Level
from job.checks.preflight.rate import about_rate
from job.verdict.checklist_spec import Checklist
from job.verdict.rate import honest_amplitude, snr_bound_db, snr_usual_db


def levels(kbps: float, sample_rate: int = 16000, lapped: bool = False, **signs: Any) -> list[Level]:
    """Of the findings beside the note of what to hope for."""
    first, *rest = about_rate(kbps, sample_rate, Checklist.model_validate({"signs": signs}), lapped=lapped)
    assert first.level is Level.NOTE
    return [finding.level for finding in rest]


@pytest.mark.parametrize(("kbps", "db"), [(0.5, 5), (2, 10), (9, 20), (40.9, 40)])
def test_the_bound_is_the_measured_one(kbps: float, db: float) -> None:
    assert snr_bound_db(kbps) == pytest.approx(db)


def test_both_figures_rise_with_the_rate_and_keep_their_order() -> None:
    rates = [0.1, 1, 4, 16, 50, 72]
    columns = [[table(rate) for rate in rates] for table in (snr_bound_db, lambda rate: snr_usual_db(rate, True))]
    columns.append([snr_usual_db(rate, False) for rate in rates])
    assert all(column == sorted(column) for column in columns)
    assert all(bound > lapped > usual for bound, lapped, usual in zip(*columns, strict=True))
    assert snr_bound_db(300) > snr_usual_db(300, False)


@pytest.mark.parametrize(("db", "ratio"), [(1.1, 0.47), (1.9, 0.60), (3.6, 0.75)])
def test_an_honest_decoder_shrinks(db: float, ratio: float) -> None:
    assert honest_amplitude(db) == pytest.approx(ratio, abs=0.01)


def test_the_default_checklist_suits_16_kbit() -> None:
    assert levels(16) == []


@pytest.mark.parametrize(
    ("kbps", "good_above", "expected"),
    [(16, 9, []), (16, 12, [Level.WARNING]), (16, 40, [Level.ERROR]), (80, 40, [Level.WARNING])],
)
def test_an_snr_that_the_rate_cannot_buy(kbps: float, good_above: float, expected: list[Level]) -> None:
    assert levels(kbps, snr_db={"good_above": good_above}) == expected


def test_a_model_around_a_lapped_transform_buys_more() -> None:
    assert levels(16, lapped=True, snr_db={"good_above": 12}) == []
    assert levels(16, lapped=True, snr_db={"good_above": 19}) == [Level.WARNING]


def test_a_limit_that_would_stop_even_a_perfect_codec() -> None:
    assert levels(2, snr_db={"good_above": 15, "bad_below": 12}, amplitude=None) == [Level.ERROR]
    # The default's limits are fitted to the rate, a number of one's own is not: amplitude 0.8 needs 4.4 dB.
    assert levels(0.2, snr_db=None) == []
    assert levels(0.2, snr_db=None, amplitude={"good_above": 0.8}) == [Level.ERROR]


def test_a_limit_that_would_stop_what_the_rate_usually_gives() -> None:
    assert levels(2) == []
    assert levels(2, amplitude={"bad_below": 0.55}) == [Level.ERROR]
    strict = about_rate(2, 16000, Checklist.model_validate("strict"), lapped=False)
    assert [finding.level for finding in strict[1:]][-1] is Level.ERROR


def test_at_other_sample_rates_the_figures_are_a_guide() -> None:
    assert levels(16, 44100, snr_db={"good_above": 40}) == [Level.WARNING]


def test_a_sign_that_is_switched_off_is_not_looked_at() -> None:
    assert levels(0.2, snr_db=None, amplitude=None) == []
