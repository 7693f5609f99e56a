"""The watchdog's own beat in the store: proof that somebody watches, and a clock that all machines share."""

import json
import time
from collections.abc import Callable, Collection

from infra.store import NotFound, Store, StoreError
from job.errors import UsageError
from job.record.no_answer import REFUSED
from job.record.store_clock import stamp_of

ALL = "all"
BEAT_SECONDS = 20.0
# A watchdog of every ten minutes, from cron, counts as watching.
RECENT_SECONDS = 900.0

Clock = Callable[[], float]


class StoreClock:
    """The time by the store's own clock, learnt from a beat that is left there every so often.

    The ages of other machines' beats are taken by it, so that it does not matter whose clock is wrong.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.key = f"watchdog/{name}.json"
        self.sees: Collection[str] = ()
        """The providers that cost money and have answered; who leaves a run alone wants to know."""
        self.read: tuple[float, float] | None = None  # the store's time, and ours by a clock that never jumps

    def __call__(self) -> float:
        """Unix seconds. Raises StoreError, and CannotTellError when the store does not list what it was given."""
        if self.read is None or time.monotonic() - self.read[1] > BEAT_SECONDS:
            self.store.put(self.key, json.dumps({"time": time.time(), "sees": list(self.sees)}).encode())
            self.read = (stamp_of(self.store, self.key), time.monotonic())
        return self.last_known()

    def last_known(self) -> float:
        """The same without asking: by this machine's own clock before there was an answer."""
        return time.time() if self.read is None else self.read[0] + time.monotonic() - self.read[1]


def usable(clock: Clock) -> tuple[Clock, StoreError | None]:
    """A clock that needs no more than it gets, and why the store takes no beat, where it takes none.

    Raises as `StoreClock` does where the store does not answer.
    """
    try:
        clock()
    except REFUSED as error:
        return (clock.last_known if isinstance(clock, StoreClock) else time.time), error
    return clock, None


def last_watched(store: Store, provider: str) -> float | None:
    """When (Unix seconds, by the store's clock) a watchdog of all runs has last beaten that can see these pods."""
    key = f"watchdog/{ALL}.json"
    try:
        return stamp_of(store, key) if provider in json.loads(store.get(key))["sees"] else None
    except (NotFound, ValueError, KeyError, TypeError):
        return None


def require_watch(
    price_per_hour: float,
    max_hours: float,
    max_cost: float | None,
    watched: float | None,
    unwatched: bool,
    now: float,
    ends_itself: bool = True,
) -> str | None:
    """Whether a paid run may be left alone; returns what to tell the user about it, if anything.

    ``watched`` is `last_watched`; ``unwatched`` is the user's word that nobody has to watch;
    ``ends_itself`` is False for a cluster, which no node can end from inside.

    Raises:
        UsageError: it costs money, nobody watches, and the user has not agreed to that.
    """
    if price_per_hour <= 0:
        return None
    if watched is not None and now - watched <= RECENT_SECONDS:
        return None
    hours = f"{price_per_hour:g} USD/h x {max_hours:g} h"
    worst = price_per_hour * max_hours
    # A budget is kept by the agent and the watchdog; with both gone only the deadline is left.
    budget = "" if max_cost is None else f"; max_cost ({max_cost:g} USD) holds only while the agent lives"
    said = f"nobody watches this run: at worst it costs {worst:.2f} USD ({hours}){budget}"
    if ends_itself:
        said = f"{said}; a pod that never begins to run is billed until somebody ends it, after max_hours too"
    else:
        said = f"{said}; a cluster cannot end itself: it is billed until somebody does, after max_hours too"
    if unwatched:
        return said
    raise UsageError(f"{said}; start `codecjob abort-on-bad-signs --all --watch` somewhere, or submit --unwatched")
