"""The resolved configuration of a run or of a spec, flat, and what differs between two."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from job.record.run import Run
from job.spec.model import JobSpec
from job.spec.trainer_plan import ask_trainer

# Places, not settings: they differ between any two runs.
PLACES = frozenset({"store", "train.data_dir", "train.checkpoint_dir", "train.experiment_name"})
NO_SETTINGS = ("access.", "wandb.", "train.use_wandb", "train.wandb_mode")  # the last two: a start row has them
# What a start row says of the run beside its configuration.
MEASURED = ("steps_per_epoch", "planned_steps", "parameters", "audio_seconds", "device", "torch")


@dataclass(frozen=True)
class Resolved:
    """A configuration under dotted keys as in job.yaml; `what` says whose."""

    what: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """A key that the two don't agree on; None where one does not have it."""

    key: str
    left: Any
    right: Any

    def __str__(self) -> str:
        return f"{self.key} {spell(self.left)} -> {spell(self.right)}"


def of_run(run: Run) -> Resolved:
    """What a run was: its spec, and the trainer's configuration as its newest start row has it.

    Of a run that never got so far, the trainer is asked what its flags mean.
    """
    submission, spec = run.submission(), run.spec()
    start = start_row(run)
    config = start["config"] if start else ask_trainer(spec.train.flags()).config
    measured = {f"measured.{key}": start[key] for key in MEASURED if start and key in start}
    return Resolved(run.run_id, {**_values(spec, config), "dataset": submission.dataset, **measured})


def of_spec(what: str, spec: JobSpec, config: Mapping[str, Any], dataset_id: str) -> Resolved:
    """What a spec would be. `config` is the trainer's, resolved."""
    return Resolved(what, {**_values(spec, config), "dataset": dataset_id})


def differences(left: Resolved, right: Resolved) -> list[Difference]:
    """Every key with another value on the other side. What only one side has measured is no difference."""
    keys = [*left.values, *(key for key in right.values if key not in left.values)]
    found = []
    for key in keys:
        if key.startswith("measured.") and not (key in left.values and key in right.values):
            continue
        ours, theirs = left.values.get(key), right.values.get(key)
        if ours != theirs:
            found.append(Difference(key, ours, theirs))
    return found


def start_row(run: Run) -> dict[str, Any] | None:
    """The newest attempt's start row, which stands at the head of its first piece of rows."""
    for attempt in reversed(run.attempts()):
        _, piece = next(attempt.segments("metrics"), (0, b""))
        for line in piece.splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # half a line, left by a killed trainer
                continue
            if isinstance(row, dict) and row.get("kind") == "start":
                return row
    return None


def spell(value: Any) -> str:
    """A value in a table; a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _values(spec: JobSpec, config: Mapping[str, Any]) -> dict[str, Any]:
    document = spec.model_dump(mode="json") | {"train": dict(config)}
    return {key: value for key, value in _flat(document) if key not in PLACES and not key.startswith(NO_SETTINGS)}


def _flat(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in document.items():
        pairs += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return pairs
