import os
import time
from pathlib import Path

import pytest

from infra.store import Store, StoreError, open_store
from job.errors import UsageError
from job.watch.heartbeat import ALL, RECENT_SECONDS, StoreClock, last_watched, require_watch


def test_the_clock_is_the_stores_and_leaves_a_beat(store: Store) -> None:
    assert last_watched(store, "runpod") is None
    clock = StoreClock(store, ALL)
    clock.sees = ["runpod"]
    assert clock() == pytest.approx(time.time(), abs=5)
    assert last_watched(store, "runpod") == pytest.approx(time.time(), abs=5)


def test_a_watchdog_that_cannot_ask_a_provider_does_not_watch_its_pods(store: Store) -> None:
    StoreClock(store, ALL)()
    assert last_watched(store, "runpod") is None


def test_a_watchdog_of_one_run_watches_no_other(store: Store) -> None:
    clock = StoreClock(store, "speech-20250102-030405-00ff")
    clock.sees = ["runpod"]
    clock()
    assert last_watched(store, "runpod") is None


def test_the_clock_follows_the_stores_own_stamps(store: Store, tmp_path: Path) -> None:
    clock = StoreClock(store, ALL)
    real_put = store.put

    def put(key: str, data: bytes) -> None:  # a store whose clock is an hour ahead
        real_put(key, data)
        ahead = time.time() + 3600
        os.utime(tmp_path / "store" / key, (ahead, ahead))

    store.put = put  # type: ignore[method-assign]
    assert clock() == pytest.approx(time.time() + 3600, abs=5)


def test_a_store_that_fails_gives_no_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        StoreClock(open_store(str(tmp_path / "file")), ALL)()


def test_what_is_free_may_be_left_alone() -> None:
    assert require_watch(0.0, 24, None, watched=None, unwatched=False, now=0.0) is None


def test_a_paid_run_needs_somebody_who_watches() -> None:
    assert require_watch(2.0, 24, None, watched=100.0, unwatched=False, now=100.0 + RECENT_SECONDS) is None
    for watched in (None, 99.0):
        with pytest.raises(UsageError, match=r"at worst it costs 48\.00 USD \(2 USD/h x 24 h\)"):
            require_watch(2.0, 24, None, watched=watched, unwatched=False, now=100.0 + RECENT_SECONDS)


def test_the_user_may_say_that_nobody_watches_and_is_shown_the_worst_cost() -> None:
    said = require_watch(2.0, 24, 10.0, watched=None, unwatched=True, now=0.0)
    assert said is not None
    assert "48.00 USD" in said
    assert "max_cost (10 USD) holds only while the agent lives" in said
    assert said.endswith("a pod that never begins to run is billed until somebody ends it, after max_hours too")


def test_a_cluster_is_said_to_be_billed_until_somebody_ends_it() -> None:
    said = require_watch(2.0, 24, None, watched=None, unwatched=True, now=0.0, ends_itself=False)
    assert said is not None
    assert said.endswith("a cluster cannot end itself: it is billed until somebody does, after max_hours too")
