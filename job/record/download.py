"""Bringing home what a run has made: its newest checkpoint, samples, rows, log and verdict."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.store.keys import check_key
from job.errors import UsageError
from job.record import checkpoints
from job.record.attempt import Attempt, CheckpointRef
from job.record.retention import best_first, survey
from job.record.run import Run

PIECES: tuple[tuple[Literal["metrics", "log"], str], ...] = (("metrics", "metrics.jsonl"), ("log", "job.log"))


@dataclass(frozen=True)
class Pulled:
    """What a pull has brought."""

    folder: Path
    checkpoint: Path | None
    samples: int
    skipped: tuple[str, ...]
    wandb: tuple[Path, ...]
    """Runs that wandb has kept offline, as `wandb sync` takes them: one of each process that has had a word."""


def pull(run: Run, folder: Path, wanted: Literal["newest", "best"] | int = "newest") -> Pulled:
    """Copies a run's results into a folder, which may hold an earlier pull of the same run, also an interrupted one.

    The checkpoint is the newest, the best by SNR, or that of a step.

    Raises:
        UsageError: there is no such checkpoint, or the folder belongs to something else, or cannot be written.
    """
    try:
        return _pull(run, folder, wanted)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}; make room or name another folder") from error


def _pull(run: Run, folder: Path, wanted: Literal["newest", "best"] | int) -> Pulled:
    marker = folder / "run.json"
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not _is_of(marker, run.run_id):
        raise UsageError(f"{folder}: is not empty and holds no earlier pull of {run.run_id}: name another folder")
    refs = _refs(run, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    submission = run.submission()
    marker.write_text(json.dumps({"run": run.run_id, **submission.model_dump()}, indent=1) + "\n")
    attempts = run.attempts()
    for kind, name in PIECES:
        pieces = [piece for attempt in attempts for _, piece in attempt.segments(kind)]
        (folder / name).write_bytes(b"".join(pieces))
    if attempts and (verdict := attempts[-1].verdict()) is not None:
        (folder / "verdict.json").write_text(json.dumps(verdict, indent=1) + "\n")
    samples = _fetch(run, attempts, "samples", folder)
    _fetch(run, attempts, "wandb", folder)
    ref, skipped = checkpoints.restore_newest(run, folder / "checkpoints", refs)
    checkpoint = folder / "checkpoints" / ref.prefix.rsplit("/", 1)[1] if ref else None
    return Pulled(folder, checkpoint, samples, tuple(skipped), tuple(sorted((folder / "wandb").glob("offline-run-*"))))


def _fetch(run: Run, attempts: list[Attempt], what: str, folder: Path) -> int:
    """How many files of a kind there were."""
    found: dict[str, str] = {}  # an epoch that was trained twice: the newest attempt's
    for attempt in attempts:
        for info in run.store.list(f"{attempt.prefix}/{what}/"):
            name = info.key.removeprefix(f"{attempt.prefix}/")
            check_key(name)  # what a pod wrote is not trusted with paths
            found[name] = info.key
    for name, key in found.items():
        run.store.download(key, folder / name)
    return len(found)


def _refs(run: Run, wanted: Literal["newest", "best"] | int) -> list[CheckpointRef]:
    """The checkpoints that would do, in the order in which they are tried."""
    if wanted == "newest":
        return run.checkpoints()
    if wanted == "best":
        best = [saved.ref for saved in best_first(survey(run)[0])]
        if not best:
            raise UsageError(
                f"{run.run_id} has no checkpoint whose SNR is known: `codecjob pull {run.run_id} DIR` takes the newest"
            )
        return best
    refs = [ref for ref in run.checkpoints() if ref.step == wanted]
    if not refs:
        steps = ", ".join(dict.fromkeys(str(ref.step) for ref in run.checkpoints())) or "none yet"
        raise UsageError(f"{run.run_id} has no checkpoint of step {wanted}; it has: {steps}")
    return refs


def _is_of(marker: Path, run_id: str) -> bool:
    try:
        return bool(json.loads(marker.read_text())["run"] == run_id)
    except (OSError, ValueError, KeyError, TypeError):
        return False
