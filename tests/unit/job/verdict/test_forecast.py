import math
import random
from typing import Any

import pytest

from job.verdict.checklist_spec import Checklist
from job.verdict.forecast import NO_PRICE, Forecast, Outlook, forecast, outlook, price_of
from job.verdict.forecast_text import in_short, in_words
from job.verdict.pace import Pace
from job.verdict.rows import Row

WAVEFORM = Checklist.model_validate({})
PERCEPTUAL = Checklist.for_recipe("perceptual")


def start(planned: int | None = 30_000) -> Row:
    return Row(1, "start", 0, 0, {} if planned is None else {"planned_steps": float(planned)})


def validations(curve: dict[int, float], metric: str = "snr_db") -> list[Row]:
    return [Row(1, "validation", step, step // 1000, {metric: value}) for step, value in curve.items()]


def saturating(steps: range, top: float = 9.0, noise: float = 0.0) -> dict[int, float]:
    draw = random.Random(1)
    return {step: top - 20 * step**-0.3 + draw.gauss(0, noise) for step in steps}


def of(curve: dict[int, float], planned: int = 30_000, **changes: Any) -> Forecast:
    found = forecast([start(planned), *validations(curve)], WAVEFORM.model_copy(update=changes))
    assert found is not None
    return found


def test_the_end_of_a_saturating_curve() -> None:
    found = of(saturating(range(1000, 11_000, 1000)))
    came = saturating(range(30_000, 30_001))[30_000]
    assert found.step == 30_000
    assert found.low < came < found.high
    assert found.value == pytest.approx(came, abs=0.5)
    assert found.low < found.value < found.high


def test_a_curve_that_stays_is_expected_to_stay() -> None:
    found = of({step: 4.6 + 0.05 * (step % 2000 == 0) for step in range(1000, 21_000, 1000)})
    assert found.value == pytest.approx(4.6, abs=0.4)
    assert found.chance is not None
    assert found.chance < 0.3


def test_more_rows_and_a_nearer_end_narrow_the_interval() -> None:
    def width(steps: range) -> float:
        found = of(saturating(steps, noise=0.1))
        return found.high - found.low

    widths = [width(range(1000, last + 1, 1000)) for last in (1000, 3000, 10_000, 25_000)]
    assert widths == sorted(widths, reverse=True)


def test_where_good_is_crossed() -> None:
    curve = saturating(range(1000, 6000, 1000), top=6.5)
    found = of(curve)
    assert not found.is_good
    assert found.good == 5.0
    assert found.good_step is not None
    assert 5000 < found.good_step < 30_000
    points = list(curve.items())
    assert outlook(points, found.good_step).quantile(0.5) > 5.0
    assert outlook(points, found.good_step - 100).quantile(0.5) < 5.0
    done = of(saturating(range(1000, 6000, 1000), top=12.0))
    assert (done.is_good, done.good_step) == (True, None)


def test_a_mel_distance_falls() -> None:
    curve = {step: 0.5 + 30 * step**-0.5 for step in range(1000, 9000, 1000)}
    rows = [start(), *validations(curve, "mel_distance")]
    found = forecast(rows, PERCEPTUAL)
    assert found is not None
    assert found.metric == "mel_distance"
    assert found.low < found.value < min(curve.values())
    assert found.value == pytest.approx(0.5 + 30 * 30_000**-0.5, rel=0.15)
    assert found.chance is not None and found.good == 0.6


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [start()],
        [start(None), *validations({1000: 3.0})],
        [start(1000), *validations({1000: 3.0})],
        [start(), *validations({0: 3.0})],
        [start(), *validations({1000: math.nan})],
    ],
)
def test_nothing_can_be_said(rows: list[Row]) -> None:
    assert forecast(rows, WAVEFORM) is None


def test_a_metric_that_is_not_forecast() -> None:
    checklist = Checklist.model_validate({"improvement": {"metric": "amplitude"}})
    assert forecast([start(), *validations({1000: 3.0})], checklist) is None


def test_the_newest_attempts_plan_counts() -> None:
    later = Row(2, "start", 2000, 2, {"planned_steps": 9000.0})
    found = forecast([start(), *validations({1000: 3.0, 2000: 4.0}), later], WAVEFORM)
    assert found is not None
    assert found.step == 9000


def test_twenty_thousand_validations_are_thinned() -> None:
    found = of(saturating(range(1, 20_001), noise=0.1), planned=40_000)
    assert found.value == pytest.approx(saturating(range(40_000, 40_001))[40_000], abs=0.3)


def test_an_outlook_is_a_distribution() -> None:
    found = Outlook(((0.5, 0.0, 1.0), (0.5, 4.0, 0.5)))
    for share in (0.1, 0.5, 0.9):
        assert found.below(found.quantile(share)) == pytest.approx(share)


PACE = Pace(step=5000, planned_steps=30_000, seconds_per_step=0.1, unvalidated_seconds=0.0, epoch_seconds=None)


def test_the_price_of_good() -> None:
    found = of(saturating(range(1000, 6000, 1000), top=6.5))
    assert found.good_step is not None
    price = price_of(found, PACE, 0.72)
    assert price.seconds == pytest.approx((found.good_step - 5000) * 0.1)
    assert price.usd == pytest.approx((found.good_step - 5000) * 0.1 * 0.0002)
    assert price_of(found, PACE, None).usd is None
    assert price_of(of({1000: 9.0}), PACE, 0.72) == NO_PRICE


def test_in_words() -> None:
    found = Forecast("snr_db", 30_000, 8.44, 7.1, 9.62, 5.0, 0.97, 9200, False)
    price = price_of(found, PACE, 1.2)
    assert in_short(found) == "SNR 8.4 dB at the end (7.1 to 9.6)"
    assert in_words(found, price) == (
        "about SNR 8.4 dB at step 30,000 (80% between 7.1 and 9.6); "
        "SNR > 5 dB likely at step 9,200, in 7.0 min, 0.14 USD"
    )
    unlikely = Forecast("mel_distance", 30_000, 0.9, 0.8, 1.0, 0.6, 0.02, None, False)
    assert in_words(unlikely, NO_PRICE).endswith("; mel distance < 0.6 is unlikely: 2%")
    reached = Forecast("snr_db", 30_000, 8.4, 7.1, 9.6, 5.0, 0.97, None, True)
    assert in_words(reached, NO_PRICE).endswith("; SNR > 5 dB is reached")
