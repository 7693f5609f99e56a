"""What `codecjob status` shows: one run or many, as one thing that is taken, pictured and printed as JSON."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rich.console import Group, RenderableType
from rich.text import Text

from infra.pods import Provider, ProviderError, kind_of, open_provider, paid_providers
from infra.store import Store
from job.cli.orphan_notice import Notice
from job.cli.views.details import RunDetails
from job.cli.views.table import RunsTable, footer
from job.record.judged_cache import Memory
from job.record.run import Run
from job.record.run_index import locate
from job.run.state import ENDED, RunState, finder, look
from job.watch.run_detail import Details, look_closer
from job.watch.run_list import Entry, Overview, Unreadable, has_ended

ENDED_AGAIN_SECONDS = 30.0
"""While watching, a run that has ended is looked at this often: only a resume can change it."""
FOOTER_LINES = 4


class Look(Protocol):
    """Something in the record that can be looked at again and again."""

    @property
    def where(self) -> str:
        """What is read, in words."""
        ...

    def take(self) -> None:
        """Looks. May take long; raises what the store or the provider raises, and then still knows the last look."""
        ...

    def picture(self, lines: int | None) -> RenderableType:
        """What is known by now, while `take` is at work too; in at most so many lines, if that is said."""
        ...

    def mark(self) -> object:
        """Changes with what is worth a line to a reader that is no terminal; None before the first look."""
        ...

    def ended(self) -> bool:
        """Whether nothing more will happen."""
        ...


class OneRun:
    """A run in detail."""

    def __init__(self, wanted: str, store: str | None) -> None:
        self.wanted = wanted
        self.run: Run | None = None
        self.seen: tuple[RunState, Details] | None = None
        self._store = store

    @property
    def where(self) -> str:
        """See `Look`."""
        return f"{self.wanted} in {self.run.store.url}" if self.run else self.wanted

    def take(self) -> None:
        """See `Look`."""
        run = self.run = self.run or locate(self.wanted, self._store)
        state = look(run, finder(run.spec().provider), with_invoice=True)
        self.seen = state, look_closer(run, state)

    def picture(self, lines: int | None) -> RenderableType:
        """See `Look`."""
        return RunDetails(*self.seen) if self.seen else Text(self.run.run_id if self.run else self.wanted)

    def mark(self) -> object:
        """See `Look`."""
        return _mark(self.seen[0]) if self.seen else None

    def ended(self) -> bool:
        """See `Look`."""
        return self.seen is not None and self.seen[0].state in ENDED

    def document(self) -> dict[str, Any]:
        """The stable JSON (docs/reference.md)."""
        assert self.seen is not None
        state, details = self.seen
        return {**state.as_dict(), **details.as_dict()}

    def notice(self) -> Notice:
        """Pods that no record owns, on the run's provider."""
        assert self.run is not None
        return _notice(self.run.store, [self.seen[0]] if self.seen else [])


class ManyRuns:
    """The newest runs of a store, and the billed."""

    def __init__(self, opens: Callable[[], Store], shown: int | None) -> None:
        """``opens`` gives the store; it is left to `take`, since a client of a bucket takes a while to load."""
        self.store: Store | None = None
        self.seen: list[Entry] | None = None
        self._opens = opens
        self._shown = shown
        self._memory: Memory | None = None
        self._now: Overview | None = None
        self._older = 0

    @property
    def where(self) -> str:
        """See `Look`."""
        return f"the runs in {self.store.url}" if self.store else "the runs"

    def take(self) -> None:
        """See `Look`."""
        store = self.store = self.store or self._opens()
        memory = self._memory = self._memory or Memory(store)
        since = time.time() - ENDED_AGAIN_SECONDS
        known = {
            entry.run_id: entry
            for entry in self.seen or ()
            if isinstance(entry, RunState) and has_ended(entry) and entry.read > since
        }
        overview = Overview(store, memory, self._shown, known)
        if self.seen is None:
            self._now = overview
        self.seen, self._older = overview.take(), overview.older
        self._now = None
        memory.save()

    def picture(self, lines: int | None) -> RenderableType:
        """See `Look`."""
        if self.seen is None:
            so_far: Sequence[Entry | str] = self._now.so_far() if self._now else ()
            return RunsTable(so_far, lines)
        if not self.seen:
            return Text("no runs yet: start one with `codecjob submit SPEC`")
        below = footer(self.seen, self._older)
        return Group(RunsTable(self.seen, None if lines is None else lines - FOOTER_LINES), below)

    def mark(self) -> object:
        """See `Look`."""
        return [_mark(entry) for entry in self.seen] if self.seen is not None else None

    def ended(self) -> bool:
        """See `Look`."""
        return self.seen is not None and all(has_ended(entry) for entry in self.seen)

    def document(self) -> list[dict[str, Any]]:
        """The stable JSON (docs/reference.md)."""
        return [entry.as_dict() for entry in self.seen or ()]

    def notice(self) -> Notice:
        """Pods that no record owns, on the providers of the runs and on all paid ones."""
        assert self.store is not None
        return _notice(self.store, [entry for entry in self.seen or () if isinstance(entry, RunState)])


def _notice(store: Store, states: Sequence[RunState]) -> Notice:
    """Those providers are asked for more that have given an answer, and paid ones that no run has asked yet."""
    silent = {state.spec.provider for state in states if state.trouble}
    names = {state.spec.provider for state in states}.union(filter(_is_set_up, paid_providers())) - silent
    return Notice(store, *filter(None, map(_opened, sorted(names))))


def _is_set_up(name: str) -> bool:
    return kind_of(name).is_set_up()


def _opened(name: str) -> Provider | None:
    try:
        return open_provider(name)
    except ProviderError:
        return None  # whoever has a run there is told elsewhere


def _mark(entry: Entry) -> tuple[object, ...]:
    if isinstance(entry, Unreadable):
        return entry.run_id, entry.problem
    row = entry.last_validation()
    return entry.run_id, entry.attempt, entry.state, entry.billing, entry.verdict.verdict, row and row.step
