"""The places a run needs: a store that can be written, a machine that can be had, room on the disk."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from infra.pods import InvalidRequest, NoCapacity, Provider
from infra.store import Store, StoreError, check_writable
from infra.store.folder import FolderStore
from job.checks.finding import Finding, error, note, warning
from job.dataset import LocalData
from job.errors import UsageError
from job.run.machine import machine
from job.run.offers import Choice, look_for
from job.run.store_access import for_attempt
from job.spec.model import JobSpec
from job.spec.trainer_plan import TrainerPlan

# Beside the newest keep_checkpoints: the best one, and the one being written.
MORE_CHECKPOINTS = 2
NOBODY = "preflight"
"""Stands for a run and its data that don't exist yet."""


@dataclass(frozen=True)
class Forecast:
    """Bytes that the run will write."""

    data: int
    checkpoint: int
    pod: int
    """On the pod's disk at the fullest: data, the checkpoints that are kept."""
    store: int
    """In the store at the end: data, and a checkpoint of every epoch."""


def forecast(data: LocalData, plan: TrainerPlan) -> Forecast:
    """From the clips' durations and the model's size."""
    kept = min(plan.config["keep_checkpoints"], plan.config["num_epochs"]) + MORE_CHECKPOINTS
    return Forecast(
        data=data.size,
        checkpoint=plan.checkpoint_bytes,
        pod=data.size + kept * plan.checkpoint_bytes,
        store=data.size + plan.config["num_epochs"] * plan.checkpoint_bytes,
    )


def about_disk(needed: Forecast, pod_free: int | None, store_free: int | None, same_disk: bool) -> list[Finding]:
    """What the run will write, and whether there is room. Free bytes are None where nobody can say."""
    said = (
        f"a checkpoint is {size(needed.checkpoint)}; the pod's disk will hold up to {size(needed.pod)}, "
        f"the store {size(needed.store)} at the end"
    )
    findings = [note("disk", said)]
    if same_disk and pod_free is not None:
        needs = [("pod and store", needed.pod + needed.store, pod_free)]
    else:
        needs = [
            (place, amount, free)
            for place, amount, free in (("the pod", needed.pod, pod_free), ("the store", needed.store, store_free))
            if free is not None
        ]
    least = needed.data + 2 * needed.checkpoint  # enough for one checkpoint to replace another
    for place, amount, free in needs:
        mend = "make room, choose another place or a lower train.num_epochs"
        if free < least:
            findings.append(error("disk", f"{size(free)} free for {place}, {size(least)} needed at least; {mend}"))
        elif free < amount:
            findings.append(warning("disk", f"{size(free)} free for {place}, {size(amount)} will be written; {mend}"))
    return findings


def about_machine(provider: Provider, spec: JobSpec) -> tuple[Choice | None, list[Finding]]:
    """Whether an image and such a machine are known, whether the provider has such a machine now, and what it costs.

    With it what the provider's catalog has for the run, so that nobody has to ask again.
    """
    try:
        machine(spec)
    except UsageError as trouble:
        return None, [error("machine", str(trouble))]
    try:
        choice = look_for(provider, spec)
    except UsageError as trouble:
        return None, [error("price", str(trouble))]
    except NoCapacity as trouble:
        return None, [warning("price", str(trouble))]
    except InvalidRequest as trouble:  # such as a network volume that does not exist
        return None, [error("machine", str(trouble))]
    return choice, _about_price(choice, spec)


def _about_price(choice: Choice, spec: JobSpec) -> list[Finding]:
    first, *others = choice.candidates
    price = first.price_per_hour
    if price == 0:
        return [note("price", f"{first.offer.gpu or 'no GPU'} on provider {spec.provider}: nothing is paid")]
    dearest = max((other.price_per_hour for other in others), default=0.0)
    more = f"; if that is taken, {len(others)} more, at most {dearest:.2f} USD/h" if others else ""
    worst = price * spec.max_hours
    findings = [note("price", f"{first}, at most {worst:.2f} USD in max_hours {spec.max_hours:g}{more}")]
    if spec.max_cost is not None and worst > spec.max_cost:
        findings.append(
            note("price", f"max_cost {spec.max_cost:g} USD ends the run after {spec.max_cost / price:.1f} h")
        )
    return findings


def about_store(store: Store) -> list[Finding]:
    """Whether the store can be written, without leaving anything in it."""
    try:
        _check(store)
    except StoreError as trouble:
        return [error("store", str(trouble))]
    return [note("store", f"{store.url} can be written")]


def about_access(spec: JobSpec, store_url: str) -> list[Finding]:
    """Gets credentials such as the pod will get, for as long as it will need them, and drops them."""
    try:
        access = for_attempt(spec, store_url, NOBODY, NOBODY, 1)
    except (UsageError, StoreError) as trouble:
        return [error("access", str(trouble))]
    if not access.env:
        return []
    return [
        note("access", f"the pod reaches the store with: {access.kind}"),
        *(warning("access", said) for said in access.warnings),
    ]


def free_bytes(folder: Path) -> int | None:
    """Room on the disk that a folder is or would be on."""
    try:
        return shutil.disk_usage(_nearest_folder(folder)).free
    except OSError:
        return None


def same_disk(first: Path, second: Path) -> bool:
    """Whether two folders share one disk."""
    return _nearest_folder(first).stat().st_dev == _nearest_folder(second).stat().st_dev


def store_folder(store: Store) -> Path | None:
    """Where the store lies on this machine, if it does."""
    return store.root if isinstance(store, FolderStore) else None


def pod_folder(provider: Provider) -> Path | None:
    """Where the provider's pods lie on this machine, if they do."""
    from infra.pods.local import LocalProvider

    return provider.home if isinstance(provider, LocalProvider) else None


def size(amount: float) -> str:
    """Such as 422 MB or 42.2 GB."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.1f} MB"


def _check(store: Store) -> None:
    folder = store_folder(store)
    if folder is None or (_is_there(folder) and folder.is_dir()):
        check_writable(store)
        return
    # A probe would make the folder, and a look must not leave one behind.
    nearest = _nearest_folder(folder)
    if not nearest.is_dir():
        raise StoreError(f"cannot write to store {store.url}: {nearest} is a file; remove it or choose another folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write to store {store.url}: no right to write in {nearest}; choose another folder")


def _nearest_folder(folder: Path) -> Path:
    """The folder itself, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.parents) if _is_there(path))


def _is_there(path: Path) -> bool:
    """Also where this user may not look: then it is not, for this user."""
    try:
        path.stat()
    except OSError:
        return False
    return True
