"""The notice of pods that no record owns, in commands that do something else; it never keeps them waiting for long."""

import time

from infra.background import Background
from infra.pods import Provider
from infra.store import Store
from job import speech
from job.record.no_answer import NO_ANSWER
from job.watch import reconcile
from job.watch.reconcile import Entry, Kind

WAIT_SECONDS = 2.0


class Notice:
    """Looks in the background from its making on; `show` prints what was found by then, waiting 2 s in all at most.

    No answer, of the store or of the provider, is silence: the command has its own way to say so.
    """

    def __init__(self, store: Store, *providers: Provider) -> None:
        self.store = store
        self.providers = providers
        self.found: list[Entry] = []
        self.began = time.monotonic()
        self.survey = Background(self._look, "reconcile")

    def show(self) -> None:
        """One line for the orphans and one for what waits to be adopted, on stderr."""
        self.survey.wait(max(WAIT_SECONDS - (time.monotonic() - self.began), 0.0))
        found = list(self.found)
        for line in lines(found):
            speech.tell(line)

    def _look(self) -> None:
        for provider in self.providers:
            try:
                # Without a pod there is nothing to say, and no need to list the runs.
                if pods := provider.find(None):
                    self.found += reconcile.survey_pods(self.store, provider, pods, time.time())
            except NO_ANSWER:
                continue


def lines(entries: list[Entry]) -> list[str]:
    """What is worth a line in another command's output."""
    said = []
    if orphans := [entry for entry in entries if entry.kind is Kind.ORPHANED]:
        price = sum(entry.usd_per_hour for entry in orphans)
        named = ", ".join(f"{entry.provider} {entry.pod_id}" for entry in orphans)
        mend = "`codecjob reconcile --terminate` ends it"
        said.append(f"warning: billed, and no record owns it: {named} ({price:.2f} USD/h): {mend}")
    if waiting := [entry for entry in entries if entry.kind is Kind.ADOPTED]:
        named = ", ".join(f"{entry.provider} {entry.pod_id}" for entry in waiting)
        said.append(f"warning: waits for a claim, and ends itself soon: {named}: `codecjob reconcile` adopts it")
    return said
