"""Notifications of a run's events to a webhook: a verdict that changes, an abort, the end.

Sent from outside the pod, by every watcher: the webhook's URL is a secret and stays on the user's machines. Several may
watch one run: each message is claimed in the record before it is sent, so it is sent at most once. A failure is one
line on stderr; only the end of a command waits for it, for a bounded time.
"""

import json
import os
import queue
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from infra.background import Background
from infra.store import Store, StoreError
from job.run.state import RunState
from job.spec.model import JobSpec
from job.verdict.rows import json_number
from job.verdict.signs import State
from job.watch import webhook

Event = Literal["verdict", "abort", "end"]
CLOSE_SECONDS = 30.0


def asks(spec: JobSpec) -> bool:
    """Whether a run's spec asks for notifications."""
    return bool(spec.notify.webhook)


@dataclass(frozen=True)
class _Event:
    """A run at one poll."""

    state: RunState
    webhook: str
    ended: bool


class Notifier:
    """Sends what a watcher sees of its runs and nobody has sent yet, from a thread of its own."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self.store = store
        self.say = say
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._queue: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._sending: Background[None] | None = None
        self._said: set[str] = set()

    def see(self, state: RunState, ended: bool) -> None:
        """Note a run's state; ``ended``: nothing of it goes on, and nothing is resumed. Never waits."""
        mark = (state.attempt, state.verdict.verdict, _aborted(state), ended)
        if not state.spec.notify.webhook or self._seen.get(state.run_id) == mark:
            return
        self._seen[state.run_id] = mark
        if self._sending is None:
            self._sending = Background(self._work, "notify")
        self._queue.put(_Event(state, state.spec.notify.webhook, ended))

    def close(self) -> None:
        """Wait for what is being sent, for CLOSE_SECONDS at most."""
        if self._sending is None:
            return
        self._queue.put(None)
        if not self._sending.wait(CLOSE_SECONDS):
            self._say_once(f"not done within {CLOSE_SECONDS:g} s: given up")

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            run_id = event.state.run_id
            try:
                self._send(event)
            except (StoreError, ValueError, TypeError, KeyError) as error:
                self._seen.pop(run_id, None)  # the next poll tries again
                self._say_once(f"{run_id}: the record cannot be used: {error}")

    def _send(self, event: _Event) -> None:
        if missing := unable(event.webhook):
            self._say_once(missing)
            return
        state = event.state
        prefix = f"runs/{state.run_id}/notified/webhook/"
        for kind, name in due(state, event.ended, self._sent(prefix)):
            told = message(state, kind)
            claim = {"event": kind, "verdict": told["verdict"], "rows": len(state.rows), "time": told["time"]}
            if not self.store.create(f"{prefix}{name}.json", json.dumps(claim).encode()):
                continue  # another watcher sends it
            if error := webhook.post(os.environ[_variable(event.webhook)], json.dumps(told).encode()):
                self.say(f"notify.webhook: {state.run_id}: {kind} was not told: {error}")

    def _sent(self, prefix: str) -> dict[str, dict[str, Any]]:
        """What has been claimed, by name."""
        keys = [info.key for info in self.store.list(prefix)]
        return {key.removeprefix(prefix).removesuffix(".json"): json.loads(self.store.get(key)) for key in keys}

    def _say_once(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self.say(f"notify.webhook: {what}")


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


def unable(target: str) -> str:
    """Why this machine cannot post to a webhook; empty if it can. A webhook is where its variable is set."""
    url = os.environ.get(_variable(target))
    if not url:
        return f"{_variable(target)} is not set on this machine: nothing is posted from it"
    return "" if webhook.is_url(url) else f"what {_variable(target)} holds is not an http(s) URL: nothing is posted"


def _aborted(state: RunState) -> bool:
    return state.outcome is not None and state.outcome.outcome == "aborted"


def _variable(target: str) -> str:
    return target.removeprefix("${").removesuffix("}")
