"""Tells of a run's turns: a verdict that changes, an abort, the end. Done outside the pod, by whoever watches.

Commands and secrets stay on the user's machines so. Several may watch the same run: each message is claimed in the
record before it is sent, so it is sent once at most. What fails is one line on stderr; nothing waits for it but the
end of a command, and that for a bounded time.
"""

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from infra.store import Store, StoreError
from job.run.state import RunState
from job.spec.model import JobSpec
from job.verdict.rows import json_number
from job.verdict.signs import State
from job.watch import notify_channels
from job.watch.trusted_commands import is_known

Event = Literal["verdict", "abort", "end"]
CLOSE_SECONDS = 30.0
PREFIX = "CODECJOB_NOTIFY_"
MOST_CHARACTERS = 1000
"""Of a variable; the message itself is whole."""


def asks(spec: JobSpec) -> bool:
    """Whether anybody wants to be told."""
    return bool(spec.notify.command or spec.notify.webhook)


@dataclass(frozen=True)
class _Turn:
    """A run at one look, for one channel."""

    state: RunState
    target: str
    ended: bool


class Notifier:
    """Sees what a watcher sees of its runs, and sends what has not been sent yet, from threads of its own."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self.store = store
        self.say = say
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._queues: dict[str, queue.SimpleQueue[_Turn | None]] = {}
        self._threads: list[threading.Thread] = []
        self._said: set[str] = set()

    def see(self, state: RunState, ended: bool) -> None:
        """Takes a look at a run; ``ended``: nothing of it goes on, and nothing is resumed. Never waits."""
        aim = state.spec.notify
        mark = (state.attempt, state.verdict.verdict, _aborted(state), ended)
        if self._seen.get(state.run_id) == mark:
            return
        self._seen[state.run_id] = mark
        for channel, target in (("command", aim.command), ("webhook", aim.webhook)):
            if target:
                self._queue(channel).put(_Turn(state, target, ended))

    def close(self) -> None:
        """Waits for what is being sent, but not for long."""
        for waiting in self._queues.values():
            waiting.put(None)
        until = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))
            if thread.is_alive():
                self._say_once(f"notify.{thread.name}: not done within {CLOSE_SECONDS:g} s: given up")

    def _queue(self, channel: str) -> "queue.SimpleQueue[_Turn | None]":
        if channel not in self._queues:
            self._queues[channel] = queue.SimpleQueue()
            thread = threading.Thread(target=self._work, args=(channel,), name=channel, daemon=True)
            self._threads.append(thread)
            thread.start()
        return self._queues[channel]

    def _work(self, channel: str) -> None:
        while (turn := self._queues[channel].get()) is not None:
            try:
                self._tell(channel, turn)
            except (StoreError, ValueError, TypeError, KeyError) as error:
                self._seen.pop(turn.state.run_id, None)  # the next look tries again
                self._say_once(f"notify.{channel}: {turn.state.run_id}: the record cannot be used: {error}")

    def _tell(self, channel: str, turn: _Turn) -> None:
        if missing := unable(channel, turn.target):
            self._say_once(f"notify.{channel}: {missing}")
            return
        prefix = f"runs/{turn.state.run_id}/notified/{channel}/"
        for event, name in due(turn.state, turn.ended, self._told(prefix)):
            told = message(turn.state, event)
            claim = {"event": event, "verdict": told["verdict"], "rows": len(turn.state.rows), "time": told["time"]}
            if not self.store.create(f"{prefix}{name}.json", json.dumps(claim).encode()):
                continue  # somebody else tells it
            body = json.dumps(told).encode()
            if channel == "webhook":
                trouble = notify_channels.post(os.environ[_variable(turn.target)], body)
            else:
                trouble = notify_channels.run(turn.target, body, _variables(told))
            if trouble:
                self.say(f"notify.{channel}: {turn.state.run_id}: {event} was not told: {trouble}")

    def _told(self, prefix: str) -> dict[str, dict[str, Any]]:
        """What has been claimed, by name."""
        keys = [info.key for info in self.store.list(prefix)]
        return {key.removeprefix(prefix).removesuffix(".json"): json.loads(self.store.get(key)) for key in keys}

    def _say_once(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self.say(what)


def due(state: RunState, ended: bool, told: dict[str, dict[str, Any]]) -> Iterable[tuple[Event, str]]:
    """What is to be told of a run, with the name that claims it, after what has been told.

    A verdict counts as changed only where more rows were read than for the one told last: who reads slower than another
    watcher has an older verdict, not a new one.
    """
    verdicts = [name for name in told if name.startswith("verdict-")]
    last: dict[str, Any] = told[max(verdicts)] if verdicts else {"verdict": State.UNDECIDED, "rows": 0}
    if state.verdict.verdict != last["verdict"] and len(state.rows) > last["rows"]:
        yield "verdict", f"verdict-{len(verdicts) + 1:04d}"
    if _aborted(state) and f"abort-{state.attempt}" not in told:
        yield "abort", f"abort-{state.attempt}"
    if ended and f"end-{state.attempt}" not in told:
        yield "end", f"end-{state.attempt}"


def message(state: RunState, event: Event) -> dict[str, Any]:
    """The stable JSON of a message (docs/notify.md). Fields are never left out; what is not known is null."""
    row = state.last_validation()
    reason = state.outcome.reason if state.outcome and event != "verdict" else state.verdict.summary
    about = f"verdict {state.verdict.verdict.upper()}" if event == "verdict" else state.state
    return {
        "version": 1,
        "text": f"{state.run_id}: {about}: {reason}",
        "run": state.run_id,
        "event": event,
        "state": state.state,
        "verdict": state.verdict.verdict.value,
        "reason": reason,
        "attempt": state.attempt,
        "epoch": row.epoch if row else None,
        "step": row.step if row else None,
        "snr_db": json_number(row.values["snr_db"]) if row and "snr_db" in row.values else None,
        "billing": state.billing,
        "cost_usd": state.money.cost.usd,
        "saved_usd": state.money.saved.usd,
        "next": state.next_step,
        "time": time.time(),
    }


def unable(channel: str, target: str) -> str:
    """Why this machine does not use a channel; empty if it does.

    A command runs only where it was submitted: else whoever can write to the bucket could run any on a watcher's
    machine. A webhook is where its variable is set.
    """
    if channel == "command":
        return "" if is_known(target) else "was not submitted from this machine, and is not run on it"
    url = os.environ.get(_variable(target))
    if not url:
        return f"{_variable(target)} is not set on this machine: nothing is posted from it"
    return (
        ""
        if notify_channels.is_url(url)
        else f"what {_variable(target)} holds is not an http(s) URL: nothing is posted"
    )


def _aborted(state: RunState) -> bool:
    return state.outcome is not None and state.outcome.outcome == "aborted"


def _variable(target: str) -> str:
    return target.removeprefix("${").removesuffix("}")


def _variables(told: dict[str, Any]) -> dict[str, str]:
    """A reason comes from the pod: of any length, and with characters that a process's environment cannot hold."""
    names = ("run", "event", "verdict", "text")
    return {f"{PREFIX}{name.upper()}": _printable(str(told[name]))[:MOST_CHARACTERS] for name in names}


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
