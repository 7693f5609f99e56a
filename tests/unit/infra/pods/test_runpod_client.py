import pytest

from infra.pods.runpod_client import quota_pause


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0.0),
        ("nonsense", 0.0),
        ('"minute";r=59;t=40, "hour";r=2800;t=1812, "day";r=49500;t=45012', 0.0),
        ('"minute";r=10;t=40', 0.0),
        ('"minute";r=9;t=40', 4.0),
        ('"minute";r=0;t=12', 12.0),
        ('"minute";r=50;t=12, "hour";r=1;t=20', 10.0),
        ('"hour";r=0;t=3000', 30.0),
    ],
)
def test_the_last_calls_of_a_quota_are_spread_over_its_time(header: str, seconds: float) -> None:
    assert quota_pause(header) == seconds
