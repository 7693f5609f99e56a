from tests.bench.forecast import ROWS, backtest, curves, power_law, summary


def test_the_forecast_holds_what_it_says_on_the_rows_of_the_bench() -> None:
    outcomes = [outcome for curve in curves([ROWS]) for outcome in backtest(*curve)]
    found = summary(outcomes)
    assert found["curves"] > 100
    assert 0.70 <= found["coverage"] <= 0.90
    assert found["forecast"] < found["stays"]


def test_the_power_law_finds_a_power_law() -> None:
    curve = [(step, 9 - 20 * step**-0.5) for step in (100, 200, 400, 800)]
    assert abs(power_law(curve, 3200) - (9 - 20 * 3200**-0.5)) < 1e-6
