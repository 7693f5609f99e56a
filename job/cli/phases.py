"""Which phase a followed run is in, and what there is to say of it: pure, of what was read."""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.pods import Pod, PodState
from job.checks.preflight.resources import size
from job.cli.output import duration, number
from job.record.documents import Progress
from job.run.state import RunState
from job.verdict.forecast_text import in_short
from job.verdict.rows import Row

STEPS, BYTES = "steps", "bytes"
TRAINING = "training"


@dataclass(frozen=True)
class Phase:
    """What is shown of one moment."""

    name: str
    """Of the phase: a change of it is worth a line."""
    title: str
    """What goes on, in words."""
    done: int = 0
    total: int = 0
    """Of the bar; 0 where nobody knows how much there is to do."""
    unit: str = ""
    facts: tuple[str, ...] = ()
    """The weightiest first."""


def phase_of(state: RunState, now: float, rate: float | None = None, boot: str = "") -> Phase:
    """The phase of a run at ``now`` (Unix seconds).

    ``rate`` is the bytes a second at which the data come, ``boot`` what the provider said last of the pod's start.
    """
    if state.state == "syncing":
        return _syncing(state, rate)
    if state.state == "training":
        return _training(state)
    if state.state == "stopping":
        reason = state.outcome.reason if state.outcome else "saving and uploading what is left"
        return Phase("stopping", f"stopping: {reason}", facts=money(state))
    if state.state in ("starting", "submitted"):
        return _starting(state, now, boot)
    return Phase(state.state, state.state)


def epoch_in_words(row: Row, epochs: int | None) -> str:
    """A validation as one line."""
    epoch = f"{row.epoch}" if epochs is None else f"{row.epoch}/{epochs}"
    return (
        f"epoch {epoch}  step {row.step}  loss {number(row.get('loss'), 3)}  SNR {number(row.get('snr_db'), 1)} dB  "
        f"amplitude {number(row.get('amplitude'))}  correlation {number(row.get('correlation'))}"
    )


def money(state: RunState) -> tuple[str, ...]:
    """What the run has cost by now, with its basis; nothing where nothing is paid."""
    cost = state.money.cost
    if not state.usd_per_hour or cost.usd is None:
        return ()
    return (f"{cost.usd:.2f} USD so far ({cost.basis})",)


def planned_steps(rows: Sequence[Row]) -> int:
    """Steps at which the newest training means to end; 0 before it has said so."""
    starts = [row for row in rows if row.kind == "start"]
    return int(starts[-1].get("planned_steps") or 0) if starts else 0


def _starting(state: RunState, now: float, boot: str) -> Phase:
    waited = () if state.began is None else (f"{duration(max(now - state.began, 0.0))} since the launch",)
    facts = (*waited, *([f"the provider says: {boot}"] if boot else []), *money(state))
    pod = state.listed[0] if state.listed else None
    where = " in ".join(part for part in (state.gpu or "a machine", pod.data_center if pod else "") if part)
    if pod is None:
        return Phase("launching", "waiting for a machine: the provider lists none yet", facts=facts)
    if pod.state is PodState.EXITED:
        return Phase("exited", f"pod {pod.id} has exited and runs nothing", facts=facts)
    if _pulls(pod):
        image = (f"image {state.spec.image}",) if state.spec.image else ()
        title = f"{where}: pulling the image, or starting the container"
        return Phase("image", title, facts=(*facts, *image))
    if pod.state is PodState.STARTING:
        return Phase("machine", f"waiting for a machine: {where}", facts=facts)
    return Phase("agent", f"{where}: the pod runs, its agent has not reported yet", facts=facts)


def _pulls(pod: Pod) -> bool:
    """RunPod says RUNNING while it still pulls; only a container that runs has an uptime."""
    return pod.state is PodState.RUNNING and pod.uptime == 0


def _syncing(state: RunState, rate: float | None) -> Phase:
    if state.synced is None:
        return Phase("syncing", "fetching the data", facts=money(state))
    done, total = state.synced
    speed = [f"{size(rate)}/s"] if rate else []
    left = [f"{duration((total - done) / rate)} left"] if rate and total > done else []
    facts = (f"{size(done)} of {size(total)}", *speed, *left, *money(state))
    return Phase("syncing", "fetching the data", done, total, BYTES, facts)


def _training(state: RunState) -> Phase:
    beat = state.progress
    if beat is None:
        return Phase("trainer", "starting the trainer", facts=money(state))
    total = planned_steps(state.rows)
    facts = (*_epoch(state, beat), *_quality(state), *_left(state), *money(state))
    # Validating and saving are parts of training: a line for each change would be two an epoch.
    name = TRAINING if beat.phase in (TRAINING, "validating", "saving") else beat.phase
    title = "finishing" if beat.phase == "done" else beat.phase
    return Phase(name, title, min(beat.step, total), total, STEPS, facts)


def _epoch(state: RunState, beat: Progress) -> list[str]:
    epochs = state.planned_epochs()
    return [f"epoch {beat.epoch}" if epochs is None else f"epoch {beat.epoch}/{epochs}"]


def _quality(state: RunState) -> list[str]:
    trained = [row for row in state.rows if row.kind == "train"]
    validated = state.last_validation()
    said = [f"loss {number(trained[-1].get('loss'), 3)}"] if trained else []
    if validated is not None:
        said.append(f"SNR {number(validated.get('snr_db'), 1)} dB (epoch {validated.epoch})")
        said.append(state.verdict.verdict.upper())
        if state.forecast:
            said.append(in_short(state.forecast))
    return said


def _left(state: RunState) -> list[str]:
    return [] if state.seconds_left is None else [f"{duration(state.seconds_left)} left"]
