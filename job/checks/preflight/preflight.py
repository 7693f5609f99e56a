"""The look before the start: every check, in the order in which one needs another. Writes nothing that stays."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from codec.audio import AudioError
from infra.pods import Provider, kind_of
from infra.store import NotFound, Store
from job import dataset
from job.checks.finding import Finding, Level, error, has_errors, note, warning
from job.checks.preflight import resources
from job.checks.preflight.budget import Budget, about_budget, count_steps
from job.checks.preflight.clips import about_clips
from job.checks.preflight.image import about_image
from job.checks.preflight.rate import about_rate
from job.checks.preflight.settings import (
    about_batch,
    about_declared,
    about_learning_rate,
    about_previous,
    find_previous,
)
from job.checks.preflight.trial import can_train, try_steps
from job.errors import CannotTellError, UsageError
from job.record.resolved_settings import of_spec
from job.run import wandb_access
from job.run.offers import Choice
from job.spec.model import JobSpec
from job.spec.trainer_plan import TrainerPlan, ask_trainer

WEIGHTS = list(Level)


class Trial(StrEnum):
    """When two real steps are trained before the start."""

    NEVER = "never"
    IF_PAID = "if paid"
    """Where nothing is paid, the run itself is the trial."""
    ALWAYS = "always"


@dataclass(frozen=True)
class Report:
    """The findings, the weightiest first, and what they were made from as far as it could be had."""

    spec: JobSpec
    """As it would be launched: its image by digest where the registry has told it."""
    findings: tuple[Finding, ...]
    choice: Choice | None = None
    """What the provider has for it now."""
    plan: TrainerPlan | None = None
    data: dataset.LocalData | None = None
    budget: Budget | None = None

    def of(self, level: Level) -> list[Finding]:
        """The findings of one level."""
        return [finding for finding in self.findings if finding.level is level]

    def stops(self, strict: bool) -> list[Finding]:
        """The findings for which nothing may be started."""
        return self.of(Level.ERROR) + (self.of(Level.WARNING) if strict else [])

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "errors": len(self.of(Level.ERROR)),
            "warnings": len(self.of(Level.WARNING)),
            "findings": [finding.as_dict() for finding in self.findings],
            "config": dict(self.plan.config) if self.plan else None,
            "bitrate_kbps": self.plan.bitrate_kbps if self.plan else None,
            "parameters": self.plan.parameters if self.plan else None,
            "checkpoint_bytes": self.plan.checkpoint_bytes if self.plan else None,
            "clips": len(self.data.clips) if self.data else None,
            "seconds": self.data.seconds if self.data else None,
            "steps_per_epoch": self.budget.steps_per_epoch if self.budget else None,
            "planned_steps": self.budget.planned_steps if self.budget else None,
        }


def examine(
    spec: JobSpec,
    store: Store,
    provider: Provider,
    *,
    trial: Trial,
    on_file: dataset.OnProgress = lambda done, total: None,
) -> Report:
    """Looks at spec, data, trainer, store and provider, whose catalog is asked once. `trial` decides whether two real
    steps are trained.

    Clips are decoded once. What is wrong with the user's input is a finding, never an exception.

    Raises:
        ProviderError, StoreError: no usable answer.
    """
    spec, about_the_image = about_image(spec)
    choice, about_the_machine = resources.about_machine(provider, spec)
    if trial is Trial.IF_PAID and (choice is None or not choice.dearest):
        trial = Trial.NEVER
    findings = [*_about_torch(spec), *resources.about_store(store), *about_the_machine]
    store_works = not has_errors(findings)
    findings += about_the_image
    findings += [warning("wandb", said)] if (said := wandb_access.trouble(spec)) else []
    if store_works:
        findings += resources.about_access(spec, store.url)
    try:
        plan = ask_trainer(spec.train.flags())
    except UsageError as trouble:
        return _report(spec, choice, [*findings, error("settings", str(trouble))])
    sample_rate = plan.config["sample_rate"]
    findings += about_declared(spec.train, plan.config)
    findings += about_learning_rate(plan.config["learning_rate"])
    findings += about_batch(plan.config["batch_size"], spec)
    lapped = plan.config["transform"] == "mdct" and plan.config["mean_quantizers"] > 0
    findings += about_rate(plan.bitrate_kbps, sample_rate, spec.checklist, lapped=lapped)
    try:
        data = dataset.look_at(spec.data, sample_rate, on_file)
    except AudioError as trouble:
        return _report(spec, choice, [*findings, error("data", str(trouble))], plan)
    about_data = about_clips(data, sample_rate)
    findings += about_data
    if has_errors(about_data):  # a count over what is left of the data would be of another run
        return _report(spec, choice, findings, plan, data)
    budget = count_steps(data, plan.config)
    findings += about_budget(budget, spec, plan.config, data)
    findings += _about_disk(resources.forecast(data, plan), store, provider)
    if store_works:
        findings += _about_previous(spec, store, plan, data)
    if not has_errors(findings) and trial is not Trial.NEVER:
        findings += try_steps(data, spec, plan)
    return _report(spec, choice, findings, plan, data, budget)


def _report(
    spec: JobSpec,
    choice: Choice | None,
    findings: list[Finding],
    plan: TrainerPlan | None = None,
    data: dataset.LocalData | None = None,
    budget: Budget | None = None,
) -> Report:
    weighed = sorted(findings, key=lambda finding: WEIGHTS.index(finding.level))
    return Report(spec, tuple(weighed), choice, plan, data, budget)


def _about_torch(spec: JobSpec) -> list[Finding]:
    if not kind_of(spec.provider).is_this_user or can_train():
        return []
    said = f"provider {spec.provider} trains on this machine and needs torch: pip install 'codecjob[train]'"
    return [error("trainer", said)]


def _about_disk(needed: resources.Forecast, store: Store, provider: Provider) -> list[Finding]:
    pod, kept = resources.pod_folder(provider), resources.store_folder(store)
    return resources.about_disk(
        needed,
        pod_free=resources.free_bytes(pod) if pod else None,
        store_free=resources.free_bytes(kept) if kept else None,
        same_disk=pod is not None and kept is not None and resources.same_disk(pod, kept),
    )


def _about_previous(spec: JobSpec, store: Store, plan: TrainerPlan, data: dataset.LocalData) -> list[Finding]:
    try:
        previous = find_previous(store, spec.name)
    except (CannotTellError, UsageError, NotFound) as trouble:
        return [note("previous", f"the run before cannot be read: {trouble}")]
    return about_previous(of_spec("this spec", spec, plan.config, data.dataset_id), previous)
