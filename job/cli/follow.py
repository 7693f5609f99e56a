"""Following a run: what changes, as it changes, until the run has ended."""

import time

import click
from rich.console import Console
from rich.status import Status

from infra.pods import Provider, ProviderError
from infra.store import Unavailable
from job.cli.output import BAD_AND_STOPPED, BAD_NOT_STOPPED, number
from job.ending import end_pods
from job.errors import NO_ANSWER, CannotTellError, UsageError
from job.findings import goes_on, stuck_for
from job.launch import CLIENT
from job.metrics_log import Row
from job.notify import Notifier
from job.reconcile import facts_of
from job.record import Run
from job.resume import go_on, replace_stuck
from job.state import ENDED, RunState, look
from job.verdict import State

POLL_SECONDS = 1.0
STUCK_POLL_SECONDS = 30.0
INTERRUPTED = 130


def follow(run: Run, provider: Provider) -> int:
    """Prints what happens until the run has ended and its pod is gone; returns the exit code. Ctrl-C detaches."""
    console = Console(highlight=False, soft_wrap=True)
    seen = _Seen(console)
    notifier = Notifier(run.store, lambda said: click.echo(said, err=True))
    several = False
    look_again = time.monotonic() + STUCK_POLL_SECONDS
    try:
        with console.status("starting", spinner="line") as line:
            while True:
                try:
                    state = look(run, provider)
                    several = state.spec.nodes > 1
                    seen.show(state)
                    notifier.see(state, ended=False)
                    _show_progress(line, state)
                    if state.state == "starting" and time.monotonic() > look_again:
                        look_again = time.monotonic() + STUCK_POLL_SECONDS
                        _replace_if_stuck(run, provider, console)
                    if state.state == "stopping" and state.outcome is not None and state.spec.nodes > 1:
                        _end_cluster(run, provider, console)
                    if state.state in ENDED and not _goes_on(run, provider, state, console):
                        break
                except (ProviderError, Unavailable, CannotTellError) as error:
                    line.update(f"no answer: {error}")
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        click.echo(f"\ndetached; the run goes on. codecjob status {run.run_id}; codecjob stop {run.run_id} ends it")
        if several:
            click.echo(f"no node can end a rented cluster: codecjob abort-on-bad-signs {run.run_id} --watch will")
        return INTERRUPTED
    notifier.see(state, ended=True)
    code = _conclude(state)
    notifier.close()
    return code


def _replace_if_stuck(run: Run, provider: Provider, console: Console) -> None:
    """A machine that never begins to run is changed for another while somebody watches."""

    def say(said: str) -> None:
        console.print(said, markup=False)

    try:
        attempt = run.attempts()[-1]
        facts, allowed = facts_of(attempt), run.spec().watch.stuck
        for pod in provider.find(run.run_id):
            waited = stuck_for(pod, facts, time.time()) if pod.attempt == attempt.number else None
            if waited is not None and waited > allowed and attempt.beat() is None:
                replace_stuck(run, provider, attempt, pod, waited, CLIENT, say)
    except (*NO_ANSWER, UsageError) as error:
        say(str(error))  # the next look tells what has become of the run


def _end_cluster(run: Run, provider: Provider, console: Console) -> None:
    """What no node can end from inside is ended as soon as the attempt has its outcome."""
    pods = [pod.id for pod in provider.find(run.run_id) if not pod.ends_itself]
    if pods:
        console.print(f"terminating {', '.join(pods)}", markup=False)
        end_pods(provider, run.run_id, pods)


def _goes_on(run: Run, provider: Provider, state: RunState, console: Console) -> bool:
    """Resumes a run that has lost one of its nodes, while somebody watches."""
    if state.billing != "off" or not goes_on([facts_of(attempt) for attempt in run.attempts()], time.time()):
        return False
    try:
        go_on(run, provider, lambda said: console.print(said, markup=False))
    except UsageError as error:
        console.print(str(error), markup=False)
        return False
    return True


class _Seen:
    """What has been printed already."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.state = ""
        self.validation: Row | None = None
        self.verdict: State | None = None

    def show(self, state: RunState) -> None:
        if state.state != self.state and state.state not in ENDED:
            self._print(state.state)
        self.state = state.state
        row = state.last_validation()
        if row is not None and row != self.validation:
            self._print(_in_words(row, state.planned_epochs()))
            self.validation = row
        verdict = state.verdict.verdict
        if row is not None and verdict is not self.verdict:
            self._print(f"verdict {verdict.upper()}: {state.verdict.summary}")
            self.verdict = verdict

    def _print(self, text: str) -> None:
        self.console.print(f"{time.strftime('%H:%M:%S')}  {text}", markup=False)


def _in_words(row: Row, epochs: int | None) -> str:
    epoch = f"{row.epoch}" if epochs is None else f"{row.epoch}/{epochs}"
    return (
        f"epoch {epoch}  step {row.step}  loss {number(row.get('loss'), 3)}  SNR {number(row.get('snr_db'), 1)} dB  "
        f"amplitude {number(row.get('amplitude'))}  correlation {number(row.get('correlation'))}"
    )


def _show_progress(line: Status, state: RunState) -> None:
    progress = state.progress
    if progress is None:
        line.update(state.state)
        return
    train = [row for row in state.rows if row.kind == "train"]
    loss = f", loss {number(train[-1].get('loss'), 3)}" if train else ""
    line.update(f"{progress.phase}: epoch {progress.epoch}, step {progress.step}{loss}")


def _conclude(state: RunState) -> int:
    reason = state.outcome.reason if state.outcome else "the pod is gone and has left no outcome"
    click.echo(f"{state.run_id} {state.state}: {reason}")
    if state.money.saved.usd:
        click.echo(f"saved {state.money.saved.usd:.2f} USD ({state.money.saved.basis})")
    click.echo(f"billing {state.billing}; next: {state.next_step}")
    if state.state == "succeeded":
        return 0
    if state.state == "aborted":
        return BAD_AND_STOPPED if state.billing == "off" else BAD_NOT_STOPPED
    return 1
