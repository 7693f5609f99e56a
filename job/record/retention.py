"""Which checkpoints of a run stay in the store, and the removal of the others: from outside, since a pod can't delete.

What goes loses its manifest first, so a removal that is cut short leaves no checkpoint that looks complete. Nothing
goes while no whole checkpoint stays. Evidence is left alone unless somebody asks for its removal.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.store import NotFound, ObjectInfo, StoreError
from job.errors import CannotTellError, UsageError
from job.record.attempt import Attempt, CheckpointRef
from job.record.checkpoints import MANIFEST
from job.record.run import Run
from job.spec.model import KeepSpec

# What has no manifest may still be on its way up for this long, while its attempt goes on.
LEFTOVER_SECONDS = 24 * 3600.0
TIDY_SECONDS = 600.0


@dataclass(frozen=True)
class Saved:
    """A checkpoint with a manifest, and what retention decides by."""

    ref: CheckpointRef
    keys: tuple[str, ...]
    """Its objects, the manifest first."""
    bytes: int
    epoch: int | None
    snr_db: float | None
    whole: bool
    """Whether every file that the manifest names is there, in its size."""


@dataclass(frozen=True)
class Plan:
    """What would become of a run's checkpoints."""

    kept: tuple[Saved, ...]
    removed: tuple[Saved, ...]
    broken: tuple[Saved, ...]
    """Not whole: neither counted nor touched."""
    leftovers: tuple[ObjectInfo, ...]
    """Files of uploads and removals that were cut short, and evidence where it was asked for."""

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(saved.bytes for saved in self.removed) + sum(info.size for info in self.leftovers)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kept": [_named(saved) for saved in self.kept],
            "removed": [_named(saved) for saved in self.removed],
            "broken": [_named(saved) for saved in self.broken],
            "leftover_files": len(self.leftovers),
            "freed_bytes": self.freed,
        }


def chosen(saved: Iterable[Saved], keep: KeepSpec) -> set[CheckpointRef]:
    """The whole checkpoints that stay: the last ones, the best by SNR, and one of every so many epochs."""
    whole = newest_first(each for each in saved if each.whole)
    if keep.last is None:
        return {each.ref for each in whole}
    kept = whole[: keep.last] + best_first(whole)[: keep.best]
    if keep.every:
        kept += [each for each in whole if each.epoch is not None and each.epoch % keep.every == 0]
    return {each.ref for each in kept}


def newest_first(saved: Iterable[Saved]) -> list[Saved]:
    """In the order in which a resume tries them."""
    return sorted(saved, key=lambda each: (each.ref.step, each.ref.attempt), reverse=True)


def best_first(saved: Iterable[Saved]) -> list[Saved]:
    """Those whose SNR is known, the highest first; of equal ones the newest."""
    known = [(each.snr_db, each) for each in newest_first(saved) if each.snr_db is not None]
    return [each for _, each in sorted(known, key=lambda pair: -pair[0])]


def survey(run: Run) -> tuple[list[Saved], list[ObjectInfo]]:
    """Every complete checkpoint of the record, and the files that belong to none."""
    saved, leftovers = [], []
    for attempt in run.attempts():
        ended = attempt.outcome() is not None
        for ref, infos in _folders(attempt, "checkpoints"):
            if f"{ref.prefix}/{MANIFEST}" in {info.key for info in infos}:
                saved.append(_look_at(attempt, ref, infos))
            elif ended or max(info.modified for info in infos) < time.time() - LEFTOVER_SECONDS:
                leftovers += infos
    return saved, leftovers


def plan(run: Run, evidence: bool = False) -> Plan:
    """What pruning would do now."""
    saved, leftovers = survey(run)
    kept = chosen(saved, run.spec().keep)
    if evidence:
        for attempt in run.attempts():
            leftovers += [info for _, infos in _folders(attempt, "evidence") for info in infos]
    return Plan(
        kept=tuple(each for each in saved if each.ref in kept),
        removed=tuple(each for each in saved if each.whole and kept and each.ref not in kept),
        broken=tuple(each for each in saved if not each.whole),
        leftovers=tuple(leftovers),
    )


def prune(run: Run, by: str, evidence: bool = False) -> Plan:
    """Removes what need not stay, and what killed writers have left; notes it in the record."""
    done = plan(run, evidence)
    for saved in done.removed:
        for key in saved.keys:
            run.store.delete(key)
    # A manifest before its files, here too: evidence is read by people.
    for info in sorted(done.leftovers, key=lambda info: not info.key.endswith(f"/{MANIFEST}")):
        run.store.delete(info.key)
    run.store.sweep(f"runs/{run.run_id}/", LEFTOVER_SECONDS)
    if done.removed or done.leftovers:
        run.attempts()[-1].note("pruned", by, evidence=evidence, **done.as_dict())
    return done


class Tidier:
    """Prunes beside the watching: each run every ten minutes at most. Trouble is said once and raised never."""

    def __init__(self, by: str, say: Callable[[str], None]) -> None:
        self.by = by
        self.say = say
        self._tidied: dict[str, float] = {}
        self._said: set[str] = set()

    def tidy(self, run: Run, at_its_end: bool) -> None:
        """Prunes one run if it is time."""
        now = time.monotonic()
        if not at_its_end and now - self._tidied.get(run.run_id, -TIDY_SECONDS) < TIDY_SECONDS:
            return
        self._tidied[run.run_id] = now
        try:
            done = prune(run, self.by)
        except (StoreError, CannotTellError, UsageError) as error:
            if str(error) not in self._said:
                self.say(f"{run.run_id}: its checkpoints were not pruned: {error}")
            self._said.add(str(error))
            return
        if done.freed:
            self.say(f"{run.run_id}: removed {len(done.removed)} checkpoints, {done.freed / 1e6:.0f} MB")


def _folders(attempt: Attempt, kind: str) -> list[tuple[CheckpointRef, list[ObjectInfo]]]:
    found: dict[CheckpointRef, list[ObjectInfo]] = {}
    prefix = f"{attempt.prefix}/{kind}/"
    for info in attempt.store.list(prefix):
        step, _, name = info.key.removeprefix(prefix).partition("/")
        if step.isdecimal() and name:
            ref = CheckpointRef(attempt.number, int(step), f"{prefix}{step}")
            found.setdefault(ref, []).append(info)
    return list(found.items())


def _look_at(attempt: Attempt, ref: CheckpointRef, infos: Sequence[ObjectInfo]) -> Saved:
    manifest_key = f"{ref.prefix}/{MANIFEST}"
    sizes = {info.key: info.size for info in infos}
    epoch: int | None = None
    snr_db: float | None = None
    try:
        manifest = json.loads(attempt.store.get(manifest_key))
        files = manifest["files"]
        whole = bool(files) and all(
            sizes.get(f"{ref.prefix}/{name}") == facts.get("size", sizes.get(f"{ref.prefix}/{name}", -1))
            for name, facts in files.items()
        )
        epoch, snr_db = _number(manifest.get("epoch"), int), _number(manifest.get("snr_db"), float)
    except (NotFound, ValueError, KeyError, TypeError, AttributeError):
        whole = False
    keys = (manifest_key, *(key for key in sizes if key != manifest_key))
    return Saved(ref, keys, sum(sizes.values()), epoch, snr_db, whole)


def _number(value: Any, kind: type) -> Any:
    """A finite number, or None: the manifest was written by a pod."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return kind(value) if good else None


def _named(saved: Saved) -> dict[str, Any]:
    return {
        "attempt": saved.ref.attempt,
        "step": saved.ref.step,
        "epoch": saved.epoch,
        "snr_db": saved.snr_db,
        "bytes": saved.bytes,
    }
