"""What the watchdog's command looks at beside its own judging, so that somebody is told of the runs' turns."""

import time
from collections.abc import Iterable

from infra.pods import Provider, open_provider
from infra.store import Store
from job.errors import UsageError
from job.record.find import list_runs
from job.record.no_answer import NO_ANSWER
from job.record.run import Run
from job.run.state import ENDED, look
from job.watch.notify import Notifier, asks
from job.watch.watchdog import Report

LATE_SECONDS = 24 * 3600.0
"""An end that is older is nobody's news any more."""


def tell(notifier: Notifier, run: Run, provider: Provider, ended: bool) -> None:
    """Looks at one run for the notifier; no answer is the watchdog's to report, and the next look's to mend."""
    try:
        if asks(run.spec()):
            notifier.see(look(run, provider), ended)
    except (*NO_ANSWER, UsageError):
        return


class Everyone:
    """All runs of a store, also those that have ended between two looks, or before the first."""

    def __init__(self, store: Store, notifier: Notifier) -> None:
        self.store = store
        self.notifier = notifier
        self._settled: set[str] = set()

    def tell(self, reports: Iterable[Report]) -> None:
        """After a look of the watchdog: what it reports goes on, or has just been ended."""
        by_run = {report.run_id: report for report in reports}
        try:
            for run_id in list_runs(self.store):
                self._tell(run_id, by_run.get(run_id))
        except NO_ANSWER:
            return  # the watchdog has said so

    def _tell(self, run_id: str, report: Report | None) -> None:
        if report is None and run_id in self._settled:
            return
        run = Run(self.store, run_id)
        try:
            spec = run.spec()
            if not asks(spec):
                self._settled.add(run_id)
            elif report is not None:
                self._settled.discard(run_id)  # resumed
                self.notifier.see(look(run, open_provider(spec.provider)), report.ended)
            else:
                self._tell_ended(run, open_provider(spec.provider))
        except (*NO_ANSWER, UsageError):
            return

    def _tell_ended(self, run: Run, provider: Provider) -> None:
        attempts = run.attempts()
        outcome = attempts[-1].outcome() if attempts else None
        if outcome is None:
            return
        if time.time() - outcome.time > LATE_SECONDS:
            self._settled.add(run.run_id)
            return
        state = look(run, provider)
        self.notifier.see(state, state.state in ENDED)
        if state.state in ENDED:
            self._settled.add(run.run_id)
