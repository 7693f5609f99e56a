"""codecjob doctor."""

from pathlib import Path

import click

from job.checks.doctor.check import Check, Patient, look
from job.checks.doctor.pod import about_pod
from job.checks.doctor.provider import about_image, about_provider
from job.checks.doctor.store import about_store
from job.checks.finding import has_errors
from job.cli.options import json_option, store_option
from job.cli.output import USAGE, print_json
from job.cli.preflight import print_findings
from job.paths import open_default_store
from job.record import store_id
from job.spec.load import load_spec

CHECKS: tuple[Check, ...] = (about_store, about_pod, about_image, about_provider)


@click.command("doctor")
@click.argument("spec", metavar="[SPEC]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--confirm-store", is_flag=True, help="Say that the store at this URL is no copy: pods may be ended from it."
)
@store_option
@json_option
def command(spec: Path | None, confirm_store: bool, store: str | None, as_json: bool) -> None:
    """Try the places that a run needs, by the calls that a run makes, and say what works.

    In the store it writes, reads, lists, races and deletes under a made-up run, 17 MB in all, and leaves nothing. With
    SPEC also with the credentials that a pod of it would get: what they can do, and that they can do no more. Then the
    image, as its registry has it, and the provider: key, clock, the pods that it lists, and what the spec would get
    there now. Nothing is started.
    Exit code: 0 everything works, 2 something does not.

    \b
    Examples:
      codecjob doctor --store 's3://my-bucket/lab?endpoint=https://s3.example.com'
      codecjob doctor job.yaml --json
      codecjob doctor --confirm-store --store /mnt/lab
    """
    job = load_spec(spec) if spec else None
    opened = open_default_store(store or (job.store if job else None))
    if confirm_store:
        identity = store_id.confirm(opened)
        click.echo(f"{opened.url} is the store {identity.id}: pods of its runs may be ended from here", err=as_json)
    findings = []
    for finding in look(Patient(opened, job), CHECKS):
        findings.append(finding)
        if not as_json:
            print_findings((finding,))
    broken = has_errors(findings)
    if as_json:
        print_json({"ok": not broken, "store": opened.url, "findings": [finding.as_dict() for finding in findings]})
    raise SystemExit(USAGE if broken else 0)
