"""The watchdog's own beat in the store: proof that somebody watches, and a clock that all machines share."""

import json
import time
from collections.abc import Callable, Collection

from infra.store import NotFound, Store, StoreError
from job.errors import CannotTellError, UsageError
from job.record.no_answer import REFUSED

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
            written = next((info.modified for info in self.store.list("watchdog/") if info.key == self.key), None)
            if written is None:
                raise CannotTellError(f"{self.store.url}: does not list {self.key}, which has just been written")
            self.read = (written, time.monotonic())
        return self.read[0] + time.monotonic() - self.read[1]

    def from_memory(self) -> float:
        """The time without writing: from the last beat that the store took, else this machine's own."""
        return time.time() if self.read is None else self.read[0] + time.monotonic() - self.read[1]


def usable(clock: Clock) -> tuple[Clock, StoreError | None]:
    """A clock that needs no more than it gets, and why the store takes no beat, where it takes none.

    Raises as `StoreClock` does where the store does not answer.
    """
    try:
        clock()
    except REFUSED as error:
        return (clock.from_memory if isinstance(clock, StoreClock) else time.time), error
    return clock, None


def last_watched(store: Store, provider: str) -> float | None:
    """When (Unix seconds) a watchdog of all runs has last beaten in this store that can see this provider's pods."""
    try:
        beat = json.loads(store.get(f"watchdog/{ALL}.json"))
        return float(beat["time"]) if provider in beat["sees"] else None
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
