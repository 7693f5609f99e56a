"""A small world in one process: actors that take turns on simulated time, and die where they are told to.

An actor is a thread that runs only while it is its turn, so a history is the same whenever it is told again. It gives
its turn away when it sleeps or waits. `World.time` and `World.threading` stand in for the modules of these names in the
code under test. A process is a group of actors that dies together, by `Killed`, at one of its calls to the outside.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

EPOCH = 1_800_000_000.0
FOREVER = float("inf")
TURN_SECONDS = 120.0
"""Real ones, for one turn of an actor: milliseconds, but where it hangs."""


class Killed(BaseException):
    """The process of this actor is dead: it does nothing more, not even its `except Exception`."""


class Process:
    """Actors that live and die together."""

    def __init__(self, kind: str, dies_at: int | None = None) -> None:
        self.kind = kind
        self.dies_at = dies_at
        """The call to the outside, counted from 1, in place of which it dies."""
        self.calls = 0
        self.clock_ahead = 0.0
        """Seconds by which the wall clock of its machine is ahead of the world's."""
        self.stranger = False
        """Whether its key is another account's."""
        self.dead = False
        self.actors: list[Actor] = []

    def step(self) -> None:
        """Every call to the outside goes through here."""
        self.calls += 1
        if self.calls == self.dies_at:
            self.dead = True
        if self.dead:
            raise Killed


class Actor:
    """One thread of a process."""

    def __init__(self, world: "World", process: Process, target: Callable[[], Any]) -> None:
        self.world = world
        self.process = process
        self.target = target
        self.turn = _held_lock()
        self.ended = False
        self.result: Any = None
        self.error: Exception | None = None
        self.wakes = 0  # the number of its newest place in the queue; older ones count for nothing
        self.waits_for: object = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.turn.acquire()  # given at the latest when the world ends
        self.world.local.actor = self
        try:
            if not self.process.dead:
                self.result = self.target()
        except Killed:
            pass
        except SystemExit as error:
            self.result = error.code
        except Exception as error:  # noqa: BLE001 - kept for the test
            self.error = error
        finally:
            self.ended = True
            if self.process.dead:
                self.world.kill(self.process)  # whichever thread it died in, the others die now, not at their next turn
            self.world.notify(self)
            self.world.driver.release()


class World:
    """The clock, and who is next."""

    def __init__(self) -> None:
        self.now = EPOCH
        self.until = EPOCH
        self.queue: list[tuple[float, int, int, Actor]] = []
        self.numbers = itertools.count()
        self.local = threading.local()
        self.driver = _held_lock()
        self.actors: list[Actor] = []
        self.time = SimpleNamespace(
            time=self.wall_clock,
            monotonic=lambda: self.now,
            sleep=self.sleep,
            gmtime=time.gmtime,
            strftime=time.strftime,
        )
        self.threading = SimpleNamespace(
            Thread=self._thread, Event=lambda: Event(self), Condition=lambda: Condition(self)
        )

    def spawn(self, process: Process, target: Callable[[], Any], at: float | None = None) -> Actor:
        """A new actor, whose first turn comes at a time, or now."""
        actor = Actor(self, process, target)
        process.actors.append(actor)
        self.actors.append(actor)
        actor.thread.start()
        self._wake(actor, self.now if at is None else at)
        return actor

    def me(self) -> Actor:
        """Whose turn it is."""
        actor: Actor = self.local.actor
        return actor

    def wall_clock(self) -> float:
        """What the clock of the machine says where whoever asks runs."""
        actor = getattr(self.local, "actor", None)
        return self.now + (actor.process.clock_ahead if actor else 0.0)

    def step(self) -> None:
        """A call to the outside by whoever's turn it is."""
        self.me().process.step()

    def kill(self, process: Process) -> None:
        """Every actor of a process ends at once."""
        process.dead = True
        for actor in process.actors:
            if not actor.ended:
                self._wake(actor, self.now)

    def sleep(self, seconds: float) -> None:
        """Others take their turns."""
        self.wait(None, seconds)

    def wait(self, what: object, seconds: float | None) -> None:
        """Until `notify` of the same thing, or so many seconds have passed."""
        me = self.me()
        me.process.step()
        at = FOREVER if seconds is None else self.now + max(seconds, 0.0)
        if at <= self.until and (not self.queue or at < self.queue[0][0]):
            self.now = at  # nobody else's turn comes first
            return
        me.waits_for = what
        if at < FOREVER:
            self._wake(me, at)
        else:
            me.wakes += 1
        self.driver.release()
        me.turn.acquire()
        me.waits_for = None
        if me.process.dead:
            raise Killed

    def notify(self, what: object) -> None:
        """Whoever waits for it has a turn now."""
        for actor in self.actors:
            if actor.waits_for is what and not actor.ended:
                self._wake(actor, self.now)

    def run(self, until: float) -> None:
        """Gives turns, the earliest first, up to a time. Called from outside of all actors."""
        self.until = until
        while self.queue and self.queue[0][0] <= until:
            at, _, wake, actor = heapq.heappop(self.queue)
            if actor.ended or wake != actor.wakes:
                continue
            self.now = max(self.now, at)
            actor.turn.release()
            if not self.driver.acquire(timeout=TURN_SECONDS):
                raise TimeoutError(f"an actor of {actor.process.kind} neither sleeps nor ends")
        self.now = max(self.now, until)

    def end(self) -> None:
        """Kills whatever lives; no thread is left behind."""
        for actor in self.actors:
            self.kill(actor.process)
        self.run(self.now)
        for actor in self.actors:
            actor.thread.join(TURN_SECONDS)

    def _wake(self, actor: Actor, at: float) -> None:
        actor.wakes += 1
        heapq.heappush(self.queue, (at, next(self.numbers), actor.wakes, actor))

    def _thread(self, target: Callable[[], Any], **_: Any) -> "Thread":
        return Thread(self, target)


class Thread:
    """`threading.Thread` of the caller's process."""

    def __init__(self, world: World, target: Callable[[], Any]) -> None:
        self.world = world
        self.target = target
        self.actor: Actor | None = None

    def start(self) -> None:
        self.actor = self.world.spawn(self.world.me().process, self.target)

    def is_alive(self) -> bool:
        return self.actor is not None and not self.actor.ended

    def join(self, timeout: float | None = None) -> None:
        if self.actor is not None and not self.actor.ended:
            self.world.wait(self.actor, timeout)


class Event:
    """`threading.Event`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.flag = False

    def set(self) -> None:
        self.flag = True
        self.world.notify(self)

    def is_set(self) -> bool:
        return self.flag

    def wait(self, timeout: float | None = None) -> bool:
        if not self.flag:
            self.world.wait(self, timeout)
        return self.flag


class Condition:
    """`threading.Condition`; its lock is that only one actor has its turn."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __enter__(self) -> "Condition":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, timeout: float | None = None) -> None:
        self.world.wait(self, timeout)

    def notify_all(self) -> None:
        self.world.notify(self)


def _held_lock() -> threading.Lock:
    """What one waits for and the other releases, turn by turn."""
    lock = threading.Lock()
    lock.acquire()
    return lock
