"""The store's clock: what this machine's is compared with, and who is refused."""

import time
from types import SimpleNamespace

import pytest

from fakes.memory_store import MemoryStore
from job.errors import UsageError
from job.record import store_clock


def store_of(ahead: float) -> MemoryStore:
    """A store for whose clock this machine's is so far ahead."""
    return MemoryStore("clock", lambda: time.time() - ahead)


@pytest.mark.parametrize(
    ("ahead", "said"), [(90.0, "90 s ahead of"), (-90.0, "s behind"), (86_400.0, "86400 s ahead"), (-7200.0, "behind")]
)
def test_a_client_whose_clock_is_off_is_refused_and_told_by_how_much(ahead: float, said: str) -> None:
    store = store_of(ahead)
    with pytest.raises(UsageError, match=said) as raised:
        store_clock.check_clock(store)
    assert "timedatectl" in str(raised.value)
    assert store.objects == {}


@pytest.mark.parametrize("ahead", [50.0, -50.0])
def test_less_than_a_minute_is_told_to_whoever_stamps_by_it(ahead: float) -> None:
    assert store_clock.check_clock(store_of(ahead)) == pytest.approx(ahead, abs=2)


def test_a_stamp_of_whole_seconds_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_clock, "time", SimpleNamespace(time=lambda: 1000.9))
    assert store_clock.check_clock(MemoryStore("clock", lambda: 1000.0)) == 0.0
