from hypothesis import HealthCheck, settings


def test_no_example_is_judged_by_its_time() -> None:
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check
