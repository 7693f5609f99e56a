"""Many runs at one moment: the newest, and every older one that somebody may be paying for.

One broken record, or one provider that gives no answer, hides no other run.
"""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from infra.pods import CannotTell, Pod, Provider, ProviderError, kind_of, open_provider, paid_providers
from infra.store import Store, StoreError, Unavailable
from job.errors import CannotTellError, UsageError
from job.record.find import list_runs
from job.record.judged_cache import Memory
from job.record.run import Run
from job.run.account import account_of
from job.run.state import ENDED, Billing, RunState, look

AT_ONCE = 16


@dataclass(frozen=True)
class Unreadable:
    """A run whose record cannot be read."""

    run_id: str
    problem: str
    pods: list[str] = field(default_factory=list)
    """What some provider lists for it all the same."""
    lasting: bool = True
    """False where the store only gave no answer."""

    @property
    def billing(self) -> Billing:
        """Never off: which provider to ask stands in the record."""
        return "on" if self.pods else "unknown"

    def as_dict(self) -> dict[str, Any]:
        """As `RunState.as_dict`, with null for what is not known."""
        known: dict[str, Any] = {"run": self.run_id, "name": self.run_id.rsplit("-", 3)[0], "unreadable": self.problem}
        known |= {"state": "unreadable", "billing": self.billing, "pods": self.pods}
        return dict.fromkeys(FIELDS) | known


Entry = RunState | Unreadable

FIELDS = (
    "run",
    "name",
    "unreadable",
    "state",
    "happened",
    "billing",
    "billing_trouble",
    "attempt",
    "provider",
    "pods",
    "pod",
    "enter",
    "gpu",
    "usd_per_hour",
    "submitted",
    "read",
    "deadline",
    "seconds_left",
    "epoch",
    "epochs",
    "step",
    "phase",
    "metrics",
    "verdict",
    "forecast",
    "outcome",
    "cost_usd",
    "money",
    "next",
)


def has_ended(entry: Entry) -> bool:
    """Whether nothing more is to be seen of it without somebody's doing."""
    return entry.lasting if isinstance(entry, Unreadable) else entry.state in ENDED


class Listing:
    """A provider's pods at one moment: it is asked once, however many runs want to know of theirs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._asked = False
        self._provider: Provider | None = None
        self._pods: list[Pod] = []
        self._error: ProviderError | None = None

    def find(self, run_id: str | None) -> list[Pod]:
        """As `Provider.find`; the answer is that of the first call."""
        error = self.trouble()
        if error is None:
            return [pod for pod in self._pods if run_id in (None, pod.run_id)]
        # One pod that this machine cannot see hides all of them in an answer for all, but not in one for each.
        if isinstance(error, CannotTell) and self._provider is not None and run_id is not None:
            return self._provider.find(run_id)
        raise error

    def provider(self) -> Provider:
        """The provider itself. Raises ProviderError where it cannot be opened."""
        error = self.trouble()
        if self._provider is None:
            assert error is not None
            raise error
        return self._provider

    def account(self) -> str | None:
        """See `infra.pods.TellsAccount`."""
        return account_of(self.provider())

    def trouble(self) -> ProviderError | None:
        """Why there is no answer for all pods; None where there is one."""
        with self._lock:
            if not self._asked:
                self._asked = True
                try:
                    self._provider = open_provider(self.name)
                    self._pods = self._provider.find(None)
                except ProviderError as error:
                    self._error = error
        return self._error


class Overview:
    """One look at a store's runs, from the newest on. `take` does it; what has come so far can be read meanwhile."""

    def __init__(
        self, store: Store, memory: Memory, shown: int | None, known: dict[str, RunState] | None = None
    ) -> None:
        """``shown`` is how many of the newest are looked at, None for all; ``known`` ones are not looked at again."""
        self.store = store
        self.memory = memory
        self.shown = shown
        self.names: list[str] = []
        """The runs to be looked at, newest first."""
        self.older = 0
        """How many more the store has."""
        self._known = known or {}
        self._found: dict[str, Entry] = {}
        self._listings: dict[str, Listing] = {}
        self._lock = threading.Lock()
        self._defect: Exception | None = None

    def take(self) -> list[Entry]:
        """Looks at them all. Raises StoreError when the store cannot even say which runs there are."""
        every = list(reversed(list_runs(self.store)))
        self.names = every[: self.shown]
        self.older = len(every) - len(self.names)
        self._look_at(self.names)
        paid_for = self._paid_for()
        if further := [run_id for run_id in every[len(self.names) :] if run_id in paid_for]:
            self.names = [*self.names, *further]
            self.older -= len(further)
            self._look_at(further)
        for run_id, entry in self._found.items():
            if isinstance(entry, Unreadable) and run_id in paid_for:
                self._found[run_id] = replace(entry, pods=paid_for[run_id])
        return [self._found[run_id] for run_id in self.names]

    def so_far(self) -> list[Entry | str]:
        """What has been found, and the bare names of the others."""
        return [self._found.get(run_id, run_id) for run_id in self.names]

    def _look_at(self, run_ids: Sequence[str]) -> None:
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for run_id in run_ids:
            waiting.put(run_id)
        # Daemons: whoever presses Ctrl-C does not wait for a store that hangs.
        workers = [threading.Thread(target=self._work, args=(waiting,), daemon=True) for _ in range(AT_ONCE)]
        for worker in workers[: len(run_ids)]:
            worker.start()
        for worker in workers[: len(run_ids)]:
            worker.join()
        if self._defect is not None:
            raise self._defect

    def _work(self, waiting: "queue.SimpleQueue[str]") -> None:
        while True:
            try:
                run_id = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self._found[run_id] = self._entry(run_id)
            except Exception as error:  # noqa: BLE001 - raised by `take`
                self._defect = error

    def _entry(self, run_id: str) -> Entry:
        if run_id in self._known:
            return self._known[run_id]
        run = Run(self.store, run_id)
        try:
            return look(run, self._listing(run.spec().provider), memory=self.memory)
        except (StoreError, CannotTellError, UsageError) as error:
            return Unreadable(run_id, str(error), lasting=not isinstance(error, Unavailable))

    def _listing(self, name: str) -> Listing:
        with self._lock:
            return self._listings.setdefault(name, Listing(name))

    def _paid_for(self) -> dict[str, list[str]]:
        """Run -> pods, of every provider that was asked, and of those that cost money wherever they can be asked."""
        for name in paid_providers():
            if kind_of(name).is_set_up():
                self._listing(name)
        found: dict[str, list[str]] = {}
        for listing in self._listings.values():
            try:
                pods = listing.find(None)
            except ProviderError:
                continue  # said of each of its runs
            for pod in pods:
                found.setdefault(pod.run_id, []).append(pod.id)
        return found
