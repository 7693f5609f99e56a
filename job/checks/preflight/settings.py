"""The settings: what was declared is what would run, and what changed since the run before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.store import Store
from job.checks.finding import Finding, error, note, warning
from job.record.causes import OutcomeName
from job.record.find import list_runs
from job.record.resolved_settings import Difference, Resolved, differences, of_run
from job.record.run import Run
from job.spec.model import JobSpec, TrainSpec, ranks_per_node

BAD_ENDS = ("aborted", "failed")
KEYS_SHOWN = 12
# AdamW learns speech codecs at 1e-5 to 1e-3; beyond this it blows up, and nearly always it is a slip of the keyboard.
HIGH_LEARNING_RATE = 1e-2


@dataclass(frozen=True)
class Previous:
    """The run before of the same name."""

    resolved: Resolved
    outcome: OutcomeName | None


def find_previous(store: Store, name: str) -> Previous | None:
    """The newest run of this name in the store; None if there is none."""
    runs = [run_id for run_id in list_runs(store) if run_id.rsplit("-", 3)[0] == name]
    if not runs:
        return None
    run = Run(store, runs[-1])
    attempts = run.attempts()
    outcome = attempts[-1].outcome() if attempts else None
    return Previous(of_run(run), outcome.outcome if outcome else None)


def about_declared(declared: TrainSpec, config: Mapping[str, Any]) -> list[Finding]:
    """Settings that do not come through to the trainer: a default that wins over them has cost runs."""
    findings = []
    for key, value in declared.model_dump(exclude_none=True).items():
        resolved = config.get(key)
        wanted = [int(part) for part in value.split(",")] if key == "strides" else value
        if resolved != wanted:
            said = f"train.{key} is {wanted} in the spec, but the trainer would run with {resolved}"
            findings.append(error("settings", f"{said}: a defect of this installation; install codecjob again"))
    return findings


def about_learning_rate(learning_rate: float) -> list[Finding]:
    """Whether it is one that can work."""
    if learning_rate <= HIGH_LEARNING_RATE:
        return []
    said = f"train.learning_rate {learning_rate:g} is above {HIGH_LEARNING_RATE:g}: training will most likely blow up"
    return [warning("settings", f"{said}; 3e-4 is the default")]


def about_batch(batch_size: int, spec: JobSpec) -> list[Finding]:
    """Whether the batch can be shared by all processes that train."""
    ranks = ranks_per_node(spec) * spec.nodes
    if batch_size % ranks == 0:
        return []
    nearest = max(round(batch_size / ranks), 1) * ranks
    said = f"train.batch_size {batch_size} is the batch of all {ranks} processes (gpu_count x nodes) together"
    return [error("settings", f"{said} and must be divisible by {ranks}, for example {nearest}")]


def about_previous(ours: Resolved, previous: Previous | None) -> list[Finding]:
    """What differs from the run before."""
    if previous is None:
        return [note("previous", "no earlier run of this name in the store")]
    changed = differences(previous.resolved, ours)
    if changed:
        return [note("previous", f"changed since {previous.resolved.what}: {_listed(changed)}")]
    if previous.outcome in BAD_ENDS:
        said = f"nothing has changed since {previous.resolved.what}, which {_ended(previous.outcome)}"
        return [warning("previous", f"{said}: the same would happen again; `codecjob status {previous.resolved.what}`")]
    return [note("previous", f"the same settings and data as {previous.resolved.what}")]


def _ended(outcome: OutcomeName | None) -> str:
    return "was aborted by its checklist" if outcome == "aborted" else "failed"


def _listed(changed: Sequence[Difference]) -> str:
    more = len(changed) - KEYS_SHOWN
    shown = ", ".join(map(str, changed[:KEYS_SHOWN]))
    return shown + (f" and {more} more (codecjob diff shows all)" if more > 0 else "")
