"""codecjob prune."""

from typing import Any

import click

from infra.store import Store, StoreError
from job import speech
from job.cli.options import any_run_argument, json_option, store_option
from job.cli.output import exit_code_of, json_text
from job.errors import CannotTellError, UsageError
from job.record.find import list_runs, open_existing_store
from job.record.retention import Plan, plan, prune
from job.record.run import Run
from job.record.run_index import locate
from job.run.launch import CLIENT


@click.command("prune")
@any_run_argument
@click.option("--all", "every_run", is_flag=True, help="Every run of the store, also those that have ended.")
@click.option("--dry-run", is_flag=True, help="Tell what would go, remove nothing.")
@click.option("--evidence", is_flag=True, help="Remove the checkpoints of BAD and non-finite states too.")
@store_option
@json_option
def command(run: str | None, every_run: bool, dry_run: bool, evidence: bool, store: str | None, as_json: bool) -> None:
    """Remove checkpoints that the spec's `keep` does not ask for, and what killed writers have left.

    By default the newest three stay, and the best by SNR. A run's only whole checkpoint is never removed, and evidence
    only when asked for. `abort-on-bad-signs` does the same, without evidence, for the runs it looks after.

    \b
    Examples:
      codecjob prune @last --dry-run
      codecjob prune quickstart --evidence
      codecjob prune --all --dry-run
    """
    if every_run == (run is not None):
        raise UsageError("give either a RUN or --all: `codecjob prune @last`, `codecjob prune --all --dry-run`")
    if run is None:
        _prune_all(open_existing_store(store), dry_run, evidence, as_json)
        return
    found = locate(run, store)
    done = _done(found, dry_run, evidence)
    if as_json:
        speech.say(json_text({"run": found.run_id, "dry_run": dry_run, **done.as_dict()}))
        return
    for saved in sorted(done.kept, key=lambda saved: saved.ref.step):
        snr = "" if saved.snr_db is None else f", SNR {saved.snr_db:.1f} dB"
        speech.say(f"kept: step {saved.ref.step}{snr}, {saved.bytes / 1e6:.0f} MB")
    for saved in done.broken:
        speech.tell(f"broken, left alone: step {saved.ref.step} of attempt {saved.ref.attempt}")
    speech.say(_summary(done, dry_run))


def _prune_all(store: Store, dry_run: bool, evidence: bool, as_json: bool) -> None:
    """One run after the other. A record that cannot be read is told of, and the others go on."""
    runs: list[dict[str, Any]] = []
    failures: list[Exception] = []
    freed = 0
    for run_id in list_runs(store):
        try:
            done = _done(Run(store, run_id), dry_run, evidence)
        except (StoreError, CannotTellError, UsageError) as error:
            failures.append(error)
            runs.append({"run": run_id, "error": str(error)})
            speech.tell(f"{run_id}: not pruned: {error}")
            continue
        freed += done.freed
        runs.append({"run": run_id, **done.as_dict()})
        if not as_json and (done.removed or done.leftovers):
            speech.say(f"{run_id}: {_summary(done, dry_run)}")
    if as_json:
        speech.say(json_text({"dry_run": dry_run, "runs": runs, "freed_bytes": freed}))
    else:
        speech.say(f"{len(runs)} runs, {'would free' if dry_run else 'freed'} {freed / 1e6:.0f} MB")
    if failures:
        raise SystemExit(exit_code_of(failures[0]))


def _done(run: Run, dry_run: bool, evidence: bool) -> Plan:
    return plan(run, evidence) if dry_run else prune(run, CLIENT, evidence)


def _summary(done: Plan, dry_run: bool) -> str:
    steps = ", ".join(str(saved.ref.step) for saved in done.removed)
    what = (
        f"{len(done.removed)} checkpoints{f' (steps {steps})' if steps else ''} and {len(done.leftovers)} other files"
    )
    return f"{'would remove' if dry_run else 'removed'} {what}, {done.freed / 1e6:.0f} MB"
