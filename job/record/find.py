"""Finding runs in a store by their names."""

import os
import re
import time

from infra.store import Store
from job.errors import UsageError
from job.paths import STORE_VARIABLE, open_default_store
from job.record.run import Run
from job.spec.model import NAME_PATTERN

LAST = "@last"
_RUN_ID = re.compile(rf"{NAME_PATTERN}-\d{{8}}-\d{{6}}-[0-9a-f]{{4}}")


def new_run_id(name: str) -> str:
    """``<name>-<UTC date>-<UTC time>-<fraction of the second>``: readable, and in the order of submission.

    Nothing random: a collision is as rare, and `Run.create` refuses it.
    """
    now = time.time()
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{int(now % 1 * 0x10000):04x}"


def list_runs(store: Store) -> list[str]:
    """Every run in the store, oldest first."""
    run_ids = [name for name in store.folders("runs/") if _RUN_ID.fullmatch(name)]
    return sorted(run_ids, key=submission_order)


def submission_order(run_id: str) -> list[str]:
    """Sorts the names of runs by the time of their submission."""
    return run_id.rsplit("-", 3)[1:]


class NoSuchRunError(UsageError):
    """No run of this name in this store."""


def find_run(store: Store, wanted: str) -> Run:
    """The run of an unambiguous prefix, or of ``@last``.

    Raises:
        NoSuchRunError: there is none.
        UsageError: there is more than one.
    """
    runs = list_runs(store)
    if not runs:
        raise NoSuchRunError(f"no runs in {store.url} yet: start one with `codecjob submit SPEC`")
    if wanted == LAST:
        return Run(store, runs[-1])
    matches = [wanted] if wanted in runs else [run_id for run_id in runs if run_id.startswith(wanted)]
    if len(matches) == 1:
        return Run(store, matches[0])
    if not matches:
        raise NoSuchRunError(f"no run {wanted!r} in {store.url}: `codecjob status` lists them")
    newest = ", ".join(reversed(matches[-3:]))
    raise UsageError(f"{wanted!r} means {len(matches)} runs, the newest {newest}: type more of the name, or {LAST}")


def open_existing_store(wanted: str | None = None) -> Store:
    """`open_default_store` for whoever only looks: a folder that somebody has named has to be there.

    Raises:
        UsageError: it is not. The folder that nobody has named may come with the first run.
    """
    from infra.store.folder import FolderStore

    store = open_default_store(wanted)
    named = wanted or os.environ.get(STORE_VARIABLE)
    if named and isinstance(store, FolderStore) and not store.root.exists():
        raise UsageError(
            f"the store {store.url} is not there: check the name, or mount it; `codecjob init` writes a spec whose run "
            "makes one"
        )
    return store
