"""Following a run: what changes, as it changes, until the run has ended."""

import time

from infra.pods import Provider
from job import speech
from job.cli.boot_log import BootLog
from job.cli.live_follow import Screen, screen
from job.cli.output import BAD_AND_STOPPED, BAD_NOT_STOPPED, INTERRUPTED
from job.cli.phases import Phase, epoch_in_words, money, phase_of
from job.record.no_answer import NO_ANSWER
from job.record.run import Run
from job.run.state import ENDED, RunState, look
from job.verdict.rows import Row
from job.verdict.signs import State
from job.watch.end_reasons import Kind
from job.watch.heartbeat import StoreClock
from job.watch.notify import Notifier
from job.watch.watchdog import end_when_late, look_after

POLL_SECONDS = 1.0
WATCH_SECONDS = 30.0
# What nothing in the pod can see to. The rest is the agent's own, or a watchdog's that looks after every run.
WATCHED: frozenset[Kind] = frozenset({"stuck start", "still billed", "node lost", "deadline"})


def follow(run: Run, provider: Provider) -> int:
    """Prints what happens until the run has ended and its pod is gone; returns the exit code. Ctrl-C detaches.

    Somebody watches meanwhile: the watchdog ends or starts again what cannot help itself.
    """
    notifier = Notifier(run.store, speech.tell)
    clock = StoreClock(run.store, run.run_id)
    state: RunState | None = None
    look_again = time.monotonic() + WATCH_SECONDS
    try:
        with screen() as shown:
            watcher = _Watcher(shown, BootLog(provider))
            while True:
                try:
                    state = look(run, provider, clock=clock)
                    watcher.see(state)
                    notifier.see(state, ended=False)
                    over = state.state in ENDED
                    if over and state.billing == "unknown":
                        break
                    if over or _outlived(state) or time.monotonic() > look_again:
                        look_again = time.monotonic() + WATCH_SECONDS
                        report = look_after(run, provider, clock, True, shown.say, WATCHED)
                        if report.result in ("cannot tell", "not confirmed"):
                            shown.show(Phase(report.result, report.said))
                        elif over and (report.ended or report.finding is None):
                            break
                except NO_ANSWER as error:  # credentials that have expired too: they can be renewed meanwhile
                    shown.show(Phase("no answer", f"no answer: {error}"))
                    if state is not None:
                        end_when_late(state, provider, clock.last_known(), shown.say)
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        speech.say(f"\ndetached; the run goes on. codecjob status {run.run_id}; codecjob stop {run.run_id} ends it")
        if state is not None and state.spec.nodes > 1:
            speech.say(f"no node can end a rented cluster: codecjob abort-on-bad-signs {run.run_id} --watch will")
        return INTERRUPTED
    notifier.see(state, ended=True)
    code = _conclude(state)
    notifier.close()
    return code


def _outlived(state: RunState) -> bool:
    """Whether the attempt has its outcome, and a pod that can only be ended from outside."""
    return state.outcome is not None and any(not pod.ends_itself for pod in state.listed)


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
            self.shown.show(phase_of(state, state.read, self._rate(state), boot))
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
    speech.say(f"{state.run_id} {state.state}: {reason}")
    for said in money(state):
        speech.say(said)
    if state.money.saved.usd:
        speech.say(f"saved {state.money.saved.usd:.2f} USD ({state.money.saved.basis})")
    speech.say(f"billing {state.billing}; next: {state.next_step}")
    if state.state == "succeeded":
        return 0
    if state.state == "aborted":
        return BAD_AND_STOPPED if state.billing == "off" else BAD_NOT_STOPPED
    return 1
