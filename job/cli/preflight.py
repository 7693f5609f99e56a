"""codecjob preflight."""

from pathlib import Path

import click

from infra.pods import Provider, open_provider
from infra.store import Store
from job.checks.finding import Finding, Level
from job.checks.preflight.preflight import Report, Trial, examine
from job.checks.preflight.trial import can_train
from job.cli.options import json_option, spec_argument, store_option
from job.cli.output import USAGE, print_json
from job.cli.progress import progress
from job.paths import open_default_store
from job.spec.load import load_spec
from job.spec.model import JobSpec


@click.command("preflight")
@spec_argument
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--no-step", is_flag=True, help="Don't train two steps, even where torch is installed.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Lay a value over the spec's.")
@store_option
@json_option
def command(
    spec: Path, strict: bool, no_step: bool, overrides: tuple[str, ...], store: str | None, as_json: bool
) -> None:
    """Look at a spec, its data and its places before anything is paid. Writes nothing that stays.

    Findings are errors (the run would fail or could never be good), warnings (likely mistakes) and notes.
    Exit code: 0 nothing in the way, 2 errors, or warnings with --strict.

    \b
    Examples:
      codecjob preflight job.yaml
      codecjob preflight job.yaml --strict --set train.num_epochs=200
      codecjob preflight job.yaml --json --no-step
    """
    job = load_spec(spec, overrides)
    provider, opened = open_provider(job.provider), open_default_store(store or job.store)
    trial = Trial.ALWAYS if can_train() and not no_step else Trial.NEVER
    report = look(job, opened, provider, trial=trial, quiet=as_json)
    stops = report.stops(strict)
    if as_json:
        print_json({"ok": not stops, **report.as_dict()})
    else:
        print_findings(report.findings)
        errors, warnings = len(report.of(Level.ERROR)), len(report.of(Level.WARNING))
        click.echo(f"errors: {errors}, warnings: {warnings}; next: {_next(spec, bool(stops))}")
    raise SystemExit(USAGE if stops else 0)


def look(job: JobSpec, store: Store, provider: Provider, *, trial: Trial, quiet: bool) -> Report:
    """The whole look, with a progress bar on a terminal."""
    with progress("preflight", "clips", quiet=quiet) as on_file:
        return examine(job, store, provider, trial=trial, on_file=on_file)


def print_findings(findings: tuple[Finding, ...]) -> None:
    """A line for each."""
    for finding in findings:
        click.echo(f"{finding.level:<7}  {finding.check:<10}  {finding.message}")


def _next(spec: Path, stopped: bool) -> str:
    return "mend these and look again" if stopped else f"codecjob submit {spec}"
