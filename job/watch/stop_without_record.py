"""Ending a run whose record cannot be reached: its pods say themselves whose they are, and the providers end them.

What is not known then stays so: the agent is not asked to save, and no outcome is written. Later, `stop`, `resume`,
`reconcile` and the watchdog find an attempt whose pod is gone, as after any other such end.
"""

from collections.abc import Collection
from dataclasses import dataclass

from infra.pods import PROVIDERS, Pod, Provider, ProviderError, open_provider
from infra.store import StoreError
from job.errors import UsageError
from job.paths import open_default_store
from job.record.find import LAST
from job.record.run_index import remembered, remembered_marks
from job.record.store_id import mark_of
from job.run.termination import Say, end_pods


@dataclass(frozen=True)
class Sighting:
    """What the providers list of some stores' runs."""

    pods: tuple[tuple[Provider, Pod], ...]
    silent: dict[str, str]
    """The providers that gave no answer, and why."""

    def run(self, wanted: str, known: Collection[str]) -> str | None:
        """The run of an unambiguous beginning of its name that has a pod; ``known`` are runs that it might mean too.

        Raises:
            UsageError: it may mean another run, and nobody can look that up.
        """
        billed = {pod.run_id for _, pod in self.pods}
        if wanted in billed:
            return wanted
        meant = {run_id for run_id in billed.union(known) if run_id.startswith(wanted)}
        if billed and (wanted == LAST or (len(meant) > 1 and meant & billed)):
            raise UsageError(
                f"without the record nobody can tell which run {wanted} is: write the whole name. The providers list "
                f"pods of {', '.join(sorted(billed))}"
            )
        return next(iter(meant & billed), None)


def stores(wanted: str | None) -> dict[str, list[str]]:
    """The URLs of the stores that a run may be in: ``wanted``, else the default and what this machine remembers.

    With each the runs of it that this machine remembers.
    """
    found: dict[str, list[str]] = {}
    try:
        only = open_default_store(wanted).url
        found[only] = []
    except StoreError:  # the very trouble that has led here
        only = ""
    for run_id, url in remembered().items():
        if wanted is None or url == only:
            found.setdefault(url, []).append(run_id)
    return found


def marks_at(url: str) -> tuple[str, ...]:
    """How the launch ids of a store's pods begin that cannot be asked, as far as this machine has ever known."""
    return (mark_of(url), *remembered_marks().get(url, ()))


def look(urls: Collection[str]) -> Sighting:
    """Asks every provider for the pods of these stores' runs. One that is not set up has none."""
    marks = tuple(mark for url in urls for mark in marks_at(url))
    pods: list[tuple[Provider, Pod]] = []
    silent: dict[str, str] = {}
    for name in PROVIDERS:
        try:
            provider = open_provider(name)
            pods += [(provider, pod) for pod in provider.find(None) if pod.launch_id.startswith(marks)]
        except ProviderError as error:
            silent[name] = str(error)
    return Sighting(tuple(pods), silent)


def end(sighting: Sighting, run_id: str, say: Say) -> bool:
    """Terminates every pod of a run; returns whether the providers have confirmed that they are gone.

    Raises ProviderError where one of them refuses, or gives no clear answer.
    """
    by_provider: dict[str, tuple[Provider, list[str]]] = {}
    for provider, pod in sighting.pods:
        if pod.run_id == run_id:
            by_provider.setdefault(provider.name, (provider, []))[1].append(pod.id)
    confirmed = True
    for provider, pod_ids in by_provider.values():
        confirmed = end_pods(provider, run_id, pod_ids) and confirmed
        say(f"terminated {', '.join(pod_ids)} of {provider.name}: what its agent had not uploaded is lost")
    return confirmed
