"""Resuming a run: a new attempt from the newest complete checkpoint, once the old pod is known to be gone."""

from infra.pods import Pod, Provider
from job.ending import close_if_lost, is_gone
from job.errors import UsageError
from job.launch import CLIENT, plan, start
from job.record import Run


def resume(run: Run, provider: Provider) -> Pod:
    """Starts the next attempt.

    Raises:
        UsageError: the run goes on, has finished, was aborted by its checklist, or its old pod is still listed.
    """
    spec = run.spec()
    number = 0
    attempts = run.attempts()
    if attempts:
        newest = attempts[-1]
        number = newest.number
        outcome = close_if_lost(provider, newest, CLIENT)
        if outcome is None:
            raise UsageError(f"{run.run_id} is still running: `codecjob stop {run.run_id}` ends it")
        if outcome.outcome == "succeeded":
            raise UsageError(f"{run.run_id} has finished: `codecjob pull {run.run_id} DIR` fetches what it made")
        if outcome.outcome == "aborted":
            raise UsageError(f"{run.run_id} was aborted: {outcome.reason}; change the spec and submit again")
        if not is_gone(provider, newest):
            raise UsageError(f"{run.run_id}: its last pod is still listed: `codecjob stop {run.run_id}` ends it")
    attempt = run.attempt(number + 1)
    return start(provider, attempt, plan(run.store, run.run_id, attempt.number, spec))
