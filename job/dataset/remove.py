"""Which runs name a dataset, and the end of one that none needs."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.store import Store
from job.dataset import manifest as manifests
from job.errors import UsageError
from job.record.find import list_runs
from job.record.run import Run

RUNS_SHOWN = 3


@dataclass(frozen=True)
class Removed:
    """What has gone."""

    objects: int
    bytes: int
    kept: int
    """Objects that stay because other datasets name them."""


def runs_by_dataset(store: Store) -> Mapping[str, list[Run]]:
    """The runs of a store by the dataset that they name. Raises CannotTellError for a record that cannot be read."""
    runs: dict[str, list[Run]] = {}
    for run_id in list_runs(store):
        run = Run(store, run_id)
        runs.setdefault(run.submission().dataset, []).append(run)
    return runs


def remove(store: Store, dataset_id: str, *, force: bool) -> Removed:
    """Removes a dataset and the objects that no other dataset names. The manifest goes first: no half of one is left.

    A run needs its dataset until it has succeeded: it could be resumed. With `force` only until it has ended.

    Raises:
        UsageError: a run needs it.
    """
    runs = runs_by_dataset(store).get(dataset_id, [])
    going_on = [run.run_id for run in runs if _end_of(run) is None]
    if going_on:
        raise UsageError(f"dataset {dataset_id} is in use by {_named(going_on)}: `codecjob stop RUN` ends a run")
    unfinished = [run.run_id for run in runs if _end_of(run) != "succeeded"]
    if unfinished and not force:
        raise UsageError(
            f"dataset {dataset_id} is what {_named(unfinished)} would be resumed with: --force removes it all the same"
        )
    mine = manifests.read_manifest(store, dataset_id).objects()
    others: set[str] = set()
    for dataset in manifests.list_datasets(store):
        if dataset.id != dataset_id:
            others |= manifests.read_manifest(store, dataset.id).objects()
    sizes = {info.key: info.size for info in store.list("objects/") if info.key in mine - others}
    store.delete(manifests.manifest_key(dataset_id))
    for key in sizes:
        store.delete(key)
    return Removed(len(sizes), sum(sizes.values()), len(mine & others))


def _end_of(run: Run) -> str | None:
    """How the newest attempt has ended; None if it has not."""
    attempts = run.attempts()
    outcome = attempts[-1].outcome() if attempts else None
    return outcome.outcome if outcome else None


def _named(run_ids: list[str]) -> str:
    more = len(run_ids) - RUNS_SHOWN
    return ", ".join(run_ids[-RUNS_SHOWN:]) + (f" and {more} more runs" if more > 0 else "")
