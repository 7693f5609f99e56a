"""The store's own clock, learnt from the stamp of an object that is written there: all machines share no other."""

import secrets
import time

from infra.store import Store
from job.errors import CannotTellError, UsageError

# AWS refuses a request whose clock is 15 minutes off; a minute is already no clock that is kept.
SKEW_SECONDS = 60.0


def stamp_of(store: Store, key: str) -> float:
    """When (Unix seconds) the store has got an object, by its own clock.

    Raises CannotTellError where the store does not list an object that has just been written.
    """
    folder = key.rpartition("/")[0]
    written = next((info.modified for info in store.list(f"{folder}/") if info.key == key), None)
    if written is None:
        raise CannotTellError(f"{store.url}: does not list {key}, which has just been written")
    return written


def clock_ahead(store: Store, key: str, data: bytes = b"") -> float:
    """Seconds by which this machine's clock is ahead of the store's, by an object that is written for it.

    0 where they agree as far as can be told: the stamp may be of any moment of the write, and of whole seconds.
    """
    before = time.time()
    store.put(key, data)
    after = time.time()
    written = stamp_of(store, key)
    if before - written > 1:
        return before - written
    return min(after - written, 0.0)


def store_now(store: Store) -> float:
    """The store's time (Unix seconds), by an object that is written for it and removed."""
    key = f"clock/{secrets.token_hex(8)}"
    ahead = clock_ahead(store, key)
    store.delete(key)
    return time.time() - ahead


def check_clock(store: Store) -> float:
    """Make sure that this machine's clock agrees with the store's within a minute; return by how much it is ahead.

    Raises:
        UsageError: it does not. A run started from here would get a deadline that nobody means.
    """
    ahead = time.time() - store_now(store)
    if abs(ahead) > SKEW_SECONDS:
        side = "ahead of" if ahead > 0 else "behind"
        raise UsageError(
            f"this machine's clock is {abs(ahead):.0f} s {side} the clock of the store {store.url}: set it "
            "(`timedatectl set-ntp true`; after a sleep of WSL `hwclock -s`), then try again"
        )
    return ahead
