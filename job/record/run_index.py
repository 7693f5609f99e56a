"""In which store a run lies that this machine has submitted: a cache beside the default store, for runs in others.

It may be deleted at any time; then such a run is found by --store or CODECJOB_STORE again.
"""

import json
from contextlib import suppress
from pathlib import Path

from infra.files import write_atomic
from infra.store import Store, StoreError, open_store
from job.errors import CannotTellError, UsageError
from job.paths import home
from job.record.find import LAST, NoSuchRunError, find_run, open_existing_store, submission_order
from job.record.run import Run
from job.record.store_id import marks_of

MOST = 1000
"""Runs that are remembered, the newest."""


def remember(run: Run) -> None:
    """Notes where a run lies. A home that cannot be written is no reason to fail: the run has started."""
    known = {**remembered(), run.run_id: run.store.url}
    newest = sorted(known, key=submission_order)[-MOST:]
    with suppress(OSError):
        home().mkdir(parents=True, exist_ok=True)
        write_atomic(_file(), [json.dumps({run_id: known[run_id] for run_id in newest}, indent=1).encode()])
    _remember_marks(run.store)


def _remember_marks(store: Store) -> None:
    """Notes how the pods of a store are marked, for the day when it cannot be asked."""
    with suppress(OSError, StoreError, CannotTellError):
        marks = {**remembered_marks(), store.url: list(marks_of(store))}
        write_atomic(home() / "known-stores.json", [json.dumps(marks, indent=1).encode()])


def remembered_marks() -> dict[str, list[str]]:
    """Of every store's URL from which this machine has submitted, how the launch ids of its pods begin."""
    try:
        known = json.loads((home() / "known-stores.json").read_text())
        return {str(url): [str(mark) for mark in marks] for url, marks in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # none yet, or half a file: it is a cache
        return {}


def locate(wanted: str, store: str | None = None) -> Run:
    """The run of an unambiguous beginning of its name, or of ``@last``; in ``store``, if that is given, only.

    Else in the default store, and if it is not there, or is not the newest, where this machine has put it.

    Raises:
        UsageError: there is none, or more than one.
        StoreError: the store it should be in gives no answer.
    """
    default = open_existing_store(store)
    if store is not None:
        return find_run(default, wanted)
    try:
        found = find_run(default, wanted)
    except NoSuchRunError:
        if other := _elsewhere(default, wanted, after=[]):
            return other
        raise
    if wanted == LAST:
        return _elsewhere(default, wanted, after=submission_order(found.run_id)) or found
    return found


def _elsewhere(default: Store, wanted: str, after: list[str]) -> Run | None:
    """The remembered run; with ``@last`` the newest that was submitted later than ``after``."""
    known = elsewhere(default)
    if wanted == LAST:
        matches = [run_id for run_id in reversed(known) if submission_order(run_id) > after]
    else:
        matches = [wanted] if wanted in known else [run_id for run_id in known if run_id.startswith(wanted)]
        if len(matches) > 1:
            newest = ", ".join(reversed(matches[-3:]))
            raise UsageError(
                f"{wanted!r} means {len(matches)} runs in other stores, the newest {newest}: type more of the name"
            )
    for run_id in matches:
        with suppress(NoSuchRunError):  # somebody has emptied that store
            return find_run(open_store(known[run_id]), run_id)
    return None


def elsewhere(default: Store) -> dict[str, str]:
    """The remembered runs that are not in the default store, with their store's URL, oldest first."""
    others = {run_id: url for run_id, url in remembered().items() if url != default.url}
    return {run_id: others[run_id] for run_id in sorted(others, key=submission_order)}


def remembered() -> dict[str, str]:
    """Every run that this machine has submitted lately, with its store's URL. Asks no store."""
    try:
        known = json.loads(_file().read_text())
    except (OSError, ValueError):  # none yet, or half a file: it is a cache
        return {}
    return {str(run_id): str(url) for run_id, url in known.items()} if isinstance(known, dict) else {}


def _file() -> Path:
    return home() / "known-runs.json"
