"""Following a run: what changes, as it changes, until the run has ended."""

import time

import click

from infra.pods import Provider, ProviderError
from job.cli.boot_log import BootLog
from job.cli.live_follow import Screen, screen
from job.cli.output import BAD_AND_STOPPED, BAD_NOT_STOPPED, INTERRUPTED
from job.cli.phases import Phase, epoch_in_words, money, phase_of
from job.errors import UsageError
from job.record.no_answer import NO_ANSWER
from job.record.run import Run
from job.run.launch import CLIENT
from job.run.resume import go_on, replace_stuck
from job.run.state import ENDED, RunState, look
from job.run.termination import Say, end_pods
from job.verdict.rows import Row
from job.verdict.signs import State
from job.watch.end_reasons import AGENT_SECONDS, goes_on, stuck_for
from job.watch.notify import Notifier
from job.watch.reconcile import facts_of

POLL_SECONDS = 1.0
STUCK_POLL_SECONDS = 30.0


def follow(run: Run, provider: Provider) -> int:
    """Prints what happens until the run has ended and its pod is gone; returns the exit code. Ctrl-C detaches."""
    notifier = Notifier(run.store, lambda said: click.echo(said, err=True))
    several = False
    state: RunState | None = None
    look_again = time.monotonic() + STUCK_POLL_SECONDS
    try:
        with screen() as shown:
            watcher = _Watcher(shown, BootLog(provider))
            while True:
                try:
                    state = look(run, provider)
                    several = state.spec.nodes > 1
                    watcher.see(state)
                    notifier.see(state, ended=False)
                    if state.state == "starting" and time.monotonic() > look_again:
                        look_again = time.monotonic() + STUCK_POLL_SECONDS
                        _replace_if_stuck(run, provider, shown.say)
                    if state.state == "stopping" and state.outcome is not None and state.spec.nodes > 1:
                        _end_cluster(run, provider, shown.say)
                    if state.state in ENDED and not _goes_on(run, provider, state, shown.say):
                        break
                except NO_ANSWER as error:  # credentials that have expired too: they can be renewed meanwhile
                    shown.show(Phase("no answer", f"no answer: {error}"))
                    if state is not None:
                        _end_when_late(state, provider, shown.say)
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


def _replace_if_stuck(run: Run, provider: Provider, say: Say) -> None:
    """A machine that never begins to run is changed for another while somebody watches."""
    try:
        attempt = run.attempts()[-1]
        facts, allowed = facts_of(attempt), run.spec().watch.stuck
        for pod in provider.find(run.run_id):
            waited = stuck_for(pod, facts, time.time()) if pod.attempt == attempt.number else None
            if waited is not None and waited > allowed and attempt.beat() is None:
                replace_stuck(run, provider, attempt, pod, waited, CLIENT, say)
    except (*NO_ANSWER, UsageError) as error:
        say(str(error))  # the next look tells what has become of the run


def _end_cluster(run: Run, provider: Provider, say: Say) -> None:
    """What no node can end from inside is ended as soon as the attempt has its outcome."""
    pods = [pod.id for pod in provider.find(run.run_id) if not pod.ends_itself]
    if pods:
        say(f"terminating {', '.join(pods)}")
        end_pods(provider, run.run_id, pods)


def _end_when_late(state: RunState, provider: Provider, say: Say) -> None:
    """Past its deadline nothing of the attempt may live on, though the record cannot be asked: a cluster would."""
    if state.deadline is None or time.time() < state.deadline + AGENT_SECONDS:
        return
    try:
        pods = [pod.id for pod in provider.find(state.run_id) if pod.attempt == state.attempt]
        if pods:
            say(f"max_hours is over: terminating {', '.join(pods)}")
            end_pods(provider, state.run_id, pods)
    except ProviderError as error:
        say(str(error))  # the next round tries again


def _goes_on(run: Run, provider: Provider, state: RunState, say: Say) -> bool:
    """Resumes a run that has lost one of its nodes, while somebody watches."""
    if state.billing != "off" or not goes_on([facts_of(attempt) for attempt in run.attempts()], time.time()):
        return False
    try:
        go_on(run, provider, say)
    except UsageError as error:
        say(str(error))
        return False
    return True


class _Watcher:
    """Tells what is new in each look at a run."""

    def __init__(self, shown: Screen, boot: BootLog) -> None:
        self.shown = shown
        self.boot = boot
        self.validation: Row | None = None
        self.verdict: State | None = None
        self.first_bytes: tuple[float, int] | None = None
        """When the data were first seen to come, and how much there was then."""

    def see(self, state: RunState) -> None:
        """Shows the phase, a new validation, a verdict that has fallen."""
        if state.state not in ENDED:
            boot = self.boot.want(state.listed[0].id) if state.state == "starting" and state.listed else ""
            self.shown.show(phase_of(state, time.time(), self._rate(state), boot))
        row = state.last_validation()
        if row is not None and row != self.validation:
            self.shown.say(epoch_in_words(row, state.planned_epochs()))
            self.validation = row
        verdict = state.verdict.verdict
        if row is not None and verdict is not self.verdict:
            self.shown.say(f"verdict {verdict.upper()}: {state.verdict.summary}")
            self.verdict = verdict

    def _rate(self, state: RunState) -> float | None:
        """Bytes a second since the first look at the data on their way."""
        if state.synced is None or state.beat is None:
            self.first_bytes = None
            return None
        if self.first_bytes is None:
            self.first_bytes = (state.beat, state.synced[0])
        seconds, got = state.beat - self.first_bytes[0], state.synced[0] - self.first_bytes[1]
        return got / seconds if seconds > 0 and got > 0 else None


def _conclude(state: RunState) -> int:
    reason = state.outcome.reason if state.outcome else "the pod is gone and has left no outcome"
    click.echo(f"{state.run_id} {state.state}: {reason}")
    for said in money(state):
        click.echo(said)
    if state.money.saved.usd:
        click.echo(f"saved {state.money.saved.usd:.2f} USD ({state.money.saved.basis})")
    click.echo(f"billing {state.billing}; next: {state.next_step}")
    if state.state == "succeeded":
        return 0
    if state.state == "aborted":
        return BAD_AND_STOPPED if state.billing == "off" else BAD_NOT_STOPPED
    return 1
