"""codecjob prune."""

import click

from job.cli.options import json_option, run_argument, store_option
from job.cli.output import print_json
from job.known_runs import locate
from job.launch import CLIENT
from job.retention import Plan, plan, prune


@click.command("prune")
@run_argument
@click.option("--dry-run", is_flag=True, help="Tell what would go, remove nothing.")
@click.option("--evidence", is_flag=True, help="Remove the checkpoints of BAD and non-finite states too.")
@store_option
@json_option
def command(run: str, dry_run: bool, evidence: bool, store: str | None, as_json: bool) -> None:
    """Remove checkpoints that the spec's `keep` does not ask for, and what killed writers have left.

    By default the newest three stay, and the best by SNR. A run's only whole checkpoint is never removed, and evidence
    only when asked for. `abort-on-bad-signs` does the same, without evidence, for the runs it looks after.

    \b
    Examples:
      codecjob prune @last --dry-run
      codecjob prune quickstart --evidence
    """
    found = locate(run, store)
    done = plan(found, evidence) if dry_run else prune(found, CLIENT, evidence)
    if as_json:
        print_json({"run": found.run_id, "dry_run": dry_run, **done.as_dict()})
        return
    for saved in sorted(done.kept, key=lambda saved: saved.ref.step):
        snr = "" if saved.snr_db is None else f", SNR {saved.snr_db:.1f} dB"
        click.echo(f"kept: step {saved.ref.step}{snr}, {saved.bytes / 1e6:.0f} MB")
    for saved in done.broken:
        click.echo(f"broken, left alone: step {saved.ref.step} of attempt {saved.ref.attempt}", err=True)
    click.echo(_summary(done, dry_run))


def _summary(done: Plan, dry_run: bool) -> str:
    steps = ", ".join(str(saved.ref.step) for saved in done.removed)
    what = (
        f"{len(done.removed)} checkpoints{f' (steps {steps})' if steps else ''} and {len(done.leftovers)} other files"
    )
    return f"{'would remove' if dry_run else 'removed'} {what}, {done.freed / 1e6:.0f} MB"
