"""codecjob submit."""

import shlex
import time
from dataclasses import asdict
from pathlib import Path

import click

from infra.pods import Provider, open_provider
from infra.store import Store, check_writable
from job import dataset, known_commands, launch
from job.cli.data import push, uploaded
from job.cli.follow import follow
from job.cli.notice import Notice
from job.cli.options import json_option, store_option
from job.cli.output import duration, print_json
from job.cli.preflight import look, print_findings
from job.cli.unwatched import check_watched, unwatched_option
from job.errors import UsageError
from job.home import open_default_store
from job.known_runs import remember
from job.pod_access import for_attempt, shown
from job.preflight.examine import Report
from job.preflight.finding import Level
from job.preflight.trial import can_train
from job.record import Run, Submission, new_run_id
from job.spec import JobSpec, load_spec


@click.command("submit")
@click.argument("spec", metavar="SPEC", type=click.Path(path_type=Path))
@click.option("--follow/--detach", "following", default=True, help="Watch the run until it ends, or return at once.")
@click.option("--dry-run", is_flag=True, help="Check everything, print what would be sent, start nothing.")
@unwatched_option
@click.option("--strict", is_flag=True, help="Start nothing if the preflight has warnings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Lay a value over the spec's.")
@store_option
@json_option
def command(
    spec: Path,
    following: bool,
    dry_run: bool,
    unwatched: bool,
    strict: bool,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
) -> None:
    """Start a run from a spec file: preflight, upload, launch, follow.

    Exit code when following: 0 finished, 21 bad and stopped with billing off, 22 bad and not confirmed stopped, 1 ended
    otherwise.

    \b
    Examples:
      codecjob submit examples/quickstart.yaml
      codecjob submit job.yaml --set train.num_epochs=3 --detach
      codecjob submit job.yaml --dry-run
    """
    job = load_spec(spec, overrides)
    provider = open_provider(job.provider)
    opened = open_default_store(store or job.store)
    notice = Notice(opened, provider)
    # Where nothing is paid, the run itself is the trial.
    paid = any(offer.price_per_hour for offer in provider.offers())
    report = look(job, opened, provider, with_trial=paid and can_train(), quiet=as_json, to_push=not dry_run)
    if dry_run and not as_json:
        print_findings(report.findings)
    notice.show()
    data, job = _passed(report, strict), report.spec
    detached = not following or as_json
    if detached:
        check_watched(job, provider, opened, unwatched)
    run_id = new_run_id(job.name)
    planned = launch.plan(opened, provider, run_id, 1, job)  # before the upload: it may find that nothing can be had
    if dry_run:
        access = for_attempt(job, opened.url, run_id, data.dataset_id, 1)
        planned = launch.plan(opened, provider, run_id, 1, job, access)
        _show_plan(job, opened, planned, data, report, as_json)
        return
    for finding in report.of(Level.WARNING):
        click.echo(f"warning: {finding.message}", err=True)
    check_writable(opened)
    if not as_json:
        click.echo(f"data: {len(data.clips)} clips, {duration(data.seconds)}, {data.size / 1e6:.1f} MB in {job.data}")
    pushed = push(opened, data, quiet=as_json)
    if not as_json:
        click.echo(uploaded(pushed))
    run = _start(job, opened, provider, run_id, data)
    if as_json:
        print_json({"run": run_id, "store": opened.url})
    else:
        click.echo(f"run {run_id} has started; codecjob stop {run_id} ends it")
    if not detached:
        raise SystemExit(follow(run, provider))
    if not as_json:
        click.echo(f"next: codecjob status {run_id}")


def _passed(report: Report, strict: bool) -> dataset.LocalData:
    """The data of a report in which nothing stops the run."""
    if stops := report.stops(strict):
        raise UsageError("\n".join(finding.message for finding in stops))
    assert report.data is not None, "data that could not be read is an error"
    return report.data


def _start(job: JobSpec, store: Store, provider: Provider, run_id: str, data: dataset.LocalData) -> Run:
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
    if job.notify.command:
        known_commands.remember(job.notify.command)
    launch.start(provider, run.attempt(1), launch.plan(store, provider, run_id, 1, job, access))
    return run


def _show_plan(
    job: JobSpec, store: Store, planned: launch.Launch, data: dataset.LocalData, report: Report, as_json: bool
) -> None:
    request = planned.requests[0]
    if as_json:
        print_json(
            {
                "spec": job.model_dump(mode="json"),
                "store": store.url,
                "dataset": data.dataset_id,
                "preflight": report.as_dict(),
                "request": {
                    "name": request.name,
                    "command": list(request.command),
                    "env": shown(request.env),
                    "machine": asdict(request.machine),
                },
                "candidates": [
                    {**asdict(candidate.offer), "usd_per_hour": candidate.price_per_hour}
                    for candidate in planned.candidates()
                ],
            }
        )
        return
    click.echo(f"would start {request.name} on provider {job.provider}, record in {store.url}")
    if request.machine.image:
        click.echo(f"would run image {request.machine.image}")
    for number, candidate in enumerate(planned.candidates(), start=1):
        click.echo(f"would try {number}. {candidate}")
    click.echo(f"would upload at most {data.size / 1e6:.1f} MB as dataset {data.dataset_id}")
    click.echo(f"would run {shlex.join(request.command)}")
    for name, value in sorted(shown(request.env).items()):
        click.echo(f"  {name}={value}")
    click.echo(f"which trains with {shlex.join(job.train.flags()) or 'the defaults'}")
