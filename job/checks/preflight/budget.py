"""How many steps the data and the settings make, and whether that is enough to learn and to judge."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from codec.audio import SILENCE_RMS, Clip, ClipInfo, crop_counts, split, steps_per_epoch
from job.checks.finding import Finding, error, listed, note, warning
from job.dataset import LocalData
from job.spec.model import JobSpec
from job.verdict.clock import steps_before_verdict

# What was lost to too few steps: 3-step epochs, 300 steps in all. A run that learned had thousands.
FEW_STEPS = 5_000
FEW_STEPS_PER_EPOCH = 50
# The one run of this trainer that is known to have reached 14 dB had about 19 h.
FEW_HOURS, USUAL_HOURS = 1.0, 19
FEW_VALIDATION_CROPS = 8
# Two clips whose levels take this same course are one recording; different sentences stay below 0.97.
SAME_COURSE = 0.99
SAME_LENGTH_SECONDS = 0.1


@dataclass(frozen=True)
class Budget:
    """The split that the trainer will make, and its steps."""

    learned: tuple[ClipInfo, ...]
    held_out: tuple[ClipInfo, ...]
    segment: int  # samples
    sample_rate: int
    steps_per_epoch: int
    planned_steps: int

    @property
    def hours(self) -> float:
        """Of audio to learn from."""
        return sum(clip.length for clip in self.learned) / self.sample_rate / 3600


def count_steps(data: LocalData, config: Mapping[str, Any]) -> Budget:
    """Splits the clips as the trainer will and counts. `config` is the trainer's, resolved.

    Raises:
        AudioError: there are too few distinct clips to hold one out.
    """
    known = {data.name(clip): clip for clip in data.clips}
    clips = [Clip(name, 0, clip.length, clip.sha256) for name, clip in known.items()]
    learned, held_out = split(clips, config["validation_share"], config["seed"])
    steps = steps_per_epoch(learned, config["segment_length"], config["batch_size"])
    return Budget(
        learned=tuple(known[clip.name] for clip in learned),
        held_out=tuple(known[clip.name] for clip in held_out),
        segment=config["segment_length"],
        sample_rate=config["sample_rate"],
        steps_per_epoch=steps,
        planned_steps=steps * config["num_epochs"],
    )


def about_budget(budget: Budget, spec: JobSpec, config: Mapping[str, Any], data: LocalData) -> list[Finding]:
    """Steps, hours, crops, and what the split holds out."""
    return [
        *_steps(budget, spec, config),
        *_hours(budget),
        *_segments(budget, config),
        *_validation(budget),
        *_leak(budget, data),
    ]


def _steps(budget: Budget, spec: JobSpec, config: Mapping[str, Any]) -> list[Finding]:
    planned, per_epoch = budget.planned_steps, budget.steps_per_epoch
    step_seconds = config["batch_size"] * budget.segment / budget.sample_rate
    wanted = steps_before_verdict(spec.checklist, step_seconds, config["warmup_steps"])
    said = f"{per_epoch} steps per epoch x {config['num_epochs']} epochs = {planned} steps"
    mend = "more data, more train.num_epochs or a smaller train.batch_size"
    findings = [note("steps", f"{said}, from {budget.hours:.2f} h in {len(budget.learned)} training clips")]
    if planned < wanted:
        epochs = -(-wanted // per_epoch)
        findings.append(
            error(
                "steps",
                f"{said}: fewer than the {wanted} (checklist.min_steps) after which the checklist decides, so the run "
                f"would end unjudged; {epochs} epochs would do, or {mend}",
            )
        )
    elif planned < FEW_STEPS and "min_steps" not in spec.checklist.model_fields_set:
        findings.append(warning("steps", f"{said}: learning takes {FEW_STEPS} or more; {mend}"))
    if per_epoch < FEW_STEPS_PER_EPOCH:
        findings.append(
            warning(
                "steps",
                f"{per_epoch} steps per epoch: below {FEW_STEPS_PER_EPOCH}, 'epoch 1' says little; more data or a "
                "smaller train.batch_size",
            )
        )
    if config["warmup_steps"] >= planned:
        findings.append(
            warning(
                "steps",
                f"the warm-up ({config['warmup_steps']} steps) is as long as the run ({planned}): learning_rate is "
                "never reached; lower train.warmup_steps",
            )
        )
    if spec.checklist.epoch > config["num_epochs"]:
        findings.append(
            warning(
                "steps",
                f"checklist.epoch {spec.checklist.epoch} lies after the last epoch ({config['num_epochs']}): the table "
                "never decides; lower it or train longer",
            )
        )
    return findings


def _hours(budget: Budget) -> list[Finding]:
    if budget.hours >= FEW_HOURS:
        return []
    amount = f"{budget.hours * 60:.1f} minutes in {len(budget.learned)} clips"
    return [
        warning(
            "hours",
            f"{amount} to learn from: enough to try things, too few for a codec that meets new voices; "
            f"the run that worked had about {USUAL_HOURS} h",
        )
    ]


def _segments(budget: Budget, config: Mapping[str, Any]) -> list[Finding]:
    findings = []
    clips = (*budget.learned, *budget.held_out)
    seconds = budget.segment / budget.sample_rate
    short = [clip.path.name for clip in clips if clip.length < budget.segment]
    if short:
        said = f"{len(short)} of {len(clips)} clips are shorter than a segment ({seconds:.2g} s) and are padded"
        if 2 * len(short) > len(clips):
            mend = "lower train.segment_length or join clips"
            findings.append(warning("segments", f"{said}: most of the training would be padding; {mend}"))
        else:
            findings.append(note("segments", f"{said}; padding counts for nothing: {listed(short)}"))
    crops = sum(crop_counts(_as_clips(budget.learned), budget.segment))
    if crops < config["batch_size"]:
        findings.append(
            warning(
                "batch",
                f"batch_size {config['batch_size']} is more than all {crops} training crops: each batch repeats "
                "some; lower train.batch_size or add data",
            )
        )
    return findings


def _validation(budget: Budget) -> list[Finding]:
    loud = [clip for clip in budget.held_out if clip.rms >= SILENCE_RMS]
    mend = "add louder clips, hold out a larger train.validation_share or change train.seed"
    if not loud:
        return [error("validation", f"all {len(budget.held_out)} held-out clips are silent (below -50 dBFS); {mend}")]
    crops = sum(max(clip.length // budget.segment, 1) for clip in loud)
    if crops < FEW_VALIDATION_CROPS:
        said = f"validation has only {crops} crops from {len(loud)} clips: its figures will be noise"
        return [warning("validation", f"{said}; hold out a larger train.validation_share or add clips")]
    return []


def _leak(budget: Budget, data: LocalData) -> list[Finding]:
    """Copies with identical PCM never cross the split; the same recording in another format or level may."""
    learned = [clip for clip in budget.learned if clip.envelope]
    seconds = np.array([clip.seconds for clip in learned])
    courses = np.array([clip.envelope for clip in learned])  # [M, N]
    pairs = []
    for clip in budget.held_out:
        near = np.flatnonzero(np.abs(seconds - clip.seconds) <= SAME_LENGTH_SECONDS)
        if clip.envelope and len(near):
            likeness = _likeness(np.array(clip.envelope), courses[near])
            pairs += [(clip, learned[index]) for index in near[likeness > SAME_COURSE].tolist()]
    if not pairs:
        return []
    names = [f"{data.name(held_out)} = {data.name(learned)}" for held_out, learned in pairs]
    return [
        warning(
            "leak",
            f"{len(names)} held-out clips seem to be training clips at another level or in another format, so "
            f"validation would flatter: remove one of each: {listed(names)}",
        )
    ]


def _likeness(course: "np.ndarray[Any, Any]", others: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Correlation of one envelope [N] with others [M, N], all of mean 0; 0 where one is flat (hum, a tone)."""
    norms = np.linalg.norm(others, axis=1) * np.linalg.norm(course)
    return np.asarray(np.divide(others @ course, norms, out=np.zeros(len(others)), where=norms > 1e-6))


def _as_clips(clips: tuple[ClipInfo, ...]) -> list[Clip]:
    return [Clip(clip.path.name, 0, clip.length, clip.sha256) for clip in clips]
