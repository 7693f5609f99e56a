import calendar

import pytest

from job.cli.log_timestamps import Times, moment
from job.errors import UsageError


def at(text: str) -> float:
    year, month, day, hour, minute = map(int, text.replace("T", "-").replace(":", "-").split("-"))
    return float(calendar.timegm((year, month, day, hour, minute, 0)))


NOW = at("2026-11-22T14:30")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("30s", NOW - 30),
        ("10m", NOW - 600),
        ("1.5h", NOW - 5400),
        ("2d", NOW - 2 * 86400),
        ("14:05", at("2026-11-22T14:05")),
        ("14:05:30", at("2026-11-22T14:05") + 30),
        ("15:00", at("2026-11-21T15:00")),
        ("2026-11-20", at("2026-11-20T00:00")),
        ("2026-11-20T03:04", at("2026-11-20T03:04")),
        ("2026-11-20T03:04+05:30", at("2026-11-19T21:34")),
    ],
)
def test_moments(typed: str, meant: float) -> None:
    assert moment(typed, NOW) == meant


@pytest.mark.parametrize("typed", ["10", "10x", "", "yesterday", "25:00", "2026-13-01", "-5m"])
def test_what_is_no_moment_is_one_line_with_examples(typed: str) -> None:
    with pytest.raises(UsageError, match=r"^--since .*10m, 2h or 1d.*14:05"):
        moment(typed, NOW)


def test_lines_have_the_time_of_the_last_stamp_and_go_over_midnight() -> None:
    times = Times(at("2026-11-22T23:50"))
    assert times.of(b"Traceback (most recent call last):\n") == at("2026-11-22T23:50")
    assert times.of(b"agent 23:51:00: fetching the data\n") == at("2026-11-22T23:51")
    assert times.of(b"  batch_size 16\n") == at("2026-11-22T23:51")
    assert times.of(b"23:59:00  step 3/9  loss 1\n") == at("2026-11-22T23:59")
    assert times.of(b"00:01:00  step 4/9  loss 1\n") == at("2026-11-23T00:01")
    assert times.of(b"agent 00:00:58: told later, written earlier\n") == at("2026-11-23T00:00") + 58
    assert times.of(b"node 3 23:00:00: the next evening\n") == at("2026-11-23T23:00")


def test_a_pod_whose_clock_is_behind_is_of_the_same_day() -> None:
    assert Times(at("2026-11-22T12:00")).of(b"agent 11:58:00: fetching\n") == at("2026-11-22T11:58")
    assert Times(at("2026-11-22T00:05")).of(b"agent 23:58:00: fetching\n") == at("2026-11-21T23:58")
