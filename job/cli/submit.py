"""codecjob submit."""

import time
from pathlib import Path

import click

from infra.pods import Provider, open_provider
from infra.store import Store, check_writable
from job import dataset, speech
from job.checks.finding import Level
from job.checks.preflight.preflight import Report, Trial
from job.checks.preflight.trial import can_train
from job.cli import dry_run as dry
from job.cli.data import push, uploaded
from job.cli.follow import follow
from job.cli.options import json_option, spec_argument, store_option
from job.cli.orphan_notice import Notice
from job.cli.output import json_text
from job.cli.plan import Plan, Upload, agree, check_watched, show, unwatched_option, yes_option
from job.cli.preflight import look, print_findings
from job.errors import UsageError
from job.paths import open_default_store
from job.record import store_id
from job.record.documents import Submission
from job.record.find import new_run_id
from job.record.run import Run
from job.record.run_index import remember
from job.record.store_clock import check_clock
from job.run import launch
from job.run.offers import Choice, look_for, still_good
from job.run.store_access import for_attempt
from job.run.termination import Say
from job.spec.load import load_spec
from job.spec.model import JobSpec


@click.command("submit")
@spec_argument
@click.option("--follow/--detach", "following", default=True, help="Watch the run until it ends, or return at once.")
@yes_option
@click.option("--dry-run", is_flag=True, help="Check everything, print what would be sent, start nothing.")
@unwatched_option
@click.option("--strict", is_flag=True, help="Start nothing if the preflight has warnings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Lay a value over the spec's.")
@store_option
@json_option
def command(
    spec: Path,
    following: bool,
    yes: bool,
    dry_run: bool,
    unwatched: bool,
    strict: bool,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
) -> None:
    """Start a run from a spec file: preflight, plan, upload, launch, follow.

    The plan says what the run can cost at most. Where that is money, nothing is uploaded or started before a yes, typed
    or given as --yes.

    Exit code when following: 0 finished, 21 bad and stopped with billing off, 22 bad and not confirmed stopped, 1 ended
    otherwise.

    \b
    Examples:
      codecjob submit examples/quickstart.yaml
      codecjob submit job.yaml --set train.num_epochs=3 --detach
      codecjob submit job.yaml --dry-run
      codecjob submit job.yaml --yes
    """
    job = load_spec(spec, overrides)
    provider = open_provider(job.provider)
    opened = open_default_store(store or job.store)
    notice = Notice(opened, provider)
    trial = Trial.IF_PAID if can_train() else Trial.NEVER
    report = look(job, opened, provider, trial=trial, quiet=as_json)
    if dry_run and not as_json:
        print_findings(report.findings)
    notice.show()
    data, job = _passed(report, strict), report.spec
    # The catalog was asked by the preflight; only where it had no room then is it worth another question.
    choice = report.choice or look_for(provider, job)
    detached = not following or as_json
    if detached and not dry_run:
        check_watched(job, choice, opened, unwatched)
    run_id = new_run_id(job.name)
    missing = dataset.missing(opened, data)
    plan = Plan(run_id, job, opened.url, choice, Upload(len(data.clips), data.seconds, missing, data.size))
    if dry_run:
        access = for_attempt(job, opened.url, run_id, data.dataset_id, 1)
        planned = launch.plan(opened, run_id, 1, job, choice.candidates, access)
        dry.show(plan, planned, provider, data.dataset_id, report, as_json=as_json)
        return
    for finding in report.of(Level.WARNING):
        speech.tell(f"warning: {finding.message}")
    if not as_json:
        show(plan)
    agree(plan, yes=yes, as_json=as_json)
    check_writable(opened)
    check_clock(opened)
    store_id.settle(opened)
    say: Say = (lambda said: None) if as_json else speech.say
    say(uploaded(push(opened, data, quiet=as_json)))
    run = _start(job, opened, provider, run_id, data, choice, say)
    say(f"run {run_id} has started; codecjob stop {run_id} ends it")
    if not detached:
        raise SystemExit(follow(run, provider))
    if as_json:
        speech.say(json_text({"run": run_id, "store": opened.url}))
    say(f"next: codecjob status {run_id}")


def _passed(report: Report, strict: bool) -> dataset.LocalData:
    """The data of a report in which nothing stops the run."""
    if stops := report.stops(strict):
        raise UsageError("\n".join(finding.message for finding in stops))
    assert report.data is not None, "data that could not be read is an error"
    return report.data


def _start(
    job: JobSpec, store: Store, provider: Provider, run_id: str, data: dataset.LocalData, choice: Choice, say: Say
) -> Run:
    # An upload may take hours, and stock does not wait.
    choice = still_good(choice, provider, job)
    access = for_attempt(job, store.url, run_id, data.dataset_id, 1)
    run = Run(store, run_id)
    submission = Submission(
        submitted=time.time(),
        dataset=data.dataset_id,
        clips=len(data.clips),
        seconds=data.seconds,
        spec=job.model_dump(mode="json"),
    )
    run.create(submission)
    remember(run)
    launch.start_attempt(run, provider, 1, choice, access, say)
    return run
