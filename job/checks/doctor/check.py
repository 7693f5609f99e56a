"""What every check of the doctor shares."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from infra.pods import ProviderError
from infra.store import Store, StoreError
from job.checks.finding import Finding, Level
from job.errors import CannotTellError, UsageError
from job.spec.model import JobSpec

# What a look at a place may meet and is worth a line, not an end.
TROUBLE = (StoreError, ProviderError, UsageError, CannotTellError)


@dataclass(frozen=True)
class Patient:
    """What is looked at."""

    store: Store
    spec: JobSpec | None
    """None where only the store is looked at."""


Check = Callable[[Patient], Iterator[Finding]]
"""Yields its findings as they come up: a check may take seconds."""


@dataclass
class Probe:
    """A made-up run in the store, whose objects are removed at the end. No command takes it for a run."""

    store: Store
    run_id: str = field(default_factory=lambda: f"doctor-{secrets.token_hex(6)}")
    made: set[str] = field(default_factory=set)

    @property
    def prefix(self) -> str:
        """Below which the made-up run lies."""
        return f"runs/{self.run_id}/"

    def key(self, name: str) -> str:
        """A key of the made-up run, to be removed."""
        return self.note(f"{self.prefix}{name}")

    def note(self, key: str) -> str:
        """Any key, to be removed."""
        self.made.add(key)
        return key


@contextmanager
def probing(store: Store) -> Iterator[Probe]:
    """A probe that is gone at the end, as far as the client may delete."""
    probe = Probe(store)
    try:
        yield probe
    finally:
        for key in probe.made:
            with suppress(StoreError):
                store.delete(key)


def attempt(check: str, what: str, call: Callable[[], Any], level: Level = Level.ERROR) -> Finding:
    """One call, as a finding: works, or why not. What it returns, if that is text, says more."""
    started = time.monotonic()
    try:
        said = call()
    except TROUBLE as trouble:
        return Finding(level, check, f"{what}: {trouble}")
    more = f"; {said}" if isinstance(said, str) else ""
    return Finding(Level.NOTE, check, f"{what}: works ({time.monotonic() - started:.2f} s){more}")


def look(patient: Patient, checks: Sequence[Check]) -> Iterator[Finding]:
    """The findings of some checks. One that cannot go on ends itself alone."""
    for check in checks:
        try:
            yield from check(patient)
        except TROUBLE as trouble:
            name = check.__name__.removeprefix("about_")
            yield Finding(Level.ERROR, name, str(trouble))
