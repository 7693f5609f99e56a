"""Where pods are had: whether it answers, whom it knows you as, and what the spec would get there now."""

from collections.abc import Iterator

from infra.pods import Provider, Unauthorised, open_provider
from job.checks.doctor.check import Patient, attempt
from job.checks.doctor.store import SKEW_SECONDS
from job.checks.finding import Finding, has_errors, note, warning
from job.run.offers import look_for
from job.spec.model import JobSpec

CHECK = "provider"
RUNPOD = "runpod"


def about_provider(patient: Patient) -> Iterator[Finding]:
    """Asks the spec's provider; without a spec RunPod, if there is a key for it. Starts nothing."""
    spec = patient.spec
    if spec is None and not _has_key():
        yield note(CHECK, "no RunPod key is set; name a SPEC to look at its provider: codecjob doctor SPEC")
        return
    provider = open_provider(spec.provider if spec else RUNPOD)
    listed = attempt(CHECK, f"list the pods of {provider.name}", lambda: _count(provider))
    yield listed
    if has_errors([listed]):
        return
    if provider.name == RUNPOD:
        yield from _about_runpod(provider)
    if spec is not None:
        yield attempt(CHECK, "find a machine for the spec", lambda: _first(provider, spec))


def _has_key() -> bool:
    from infra.pods.runpod_key import api_key

    try:
        return bool(api_key())
    except Unauthorised:
        return False


def _count(provider: Provider) -> str:
    pods = provider.find(None)
    return f"{len(pods)} of codecjob's" + (f": {', '.join(pod.id for pod in pods)}" if pods else "")


def _about_runpod(provider: Provider) -> Iterator[Finding]:
    from infra.pods.runpod import RunPodProvider

    assert isinstance(provider, RunPodProvider)
    ahead = provider.clock_ahead()
    if ahead is not None and abs(ahead) > SKEW_SECONDS:
        yield warning(CHECK, f"clock: this machine and RunPod differ by {abs(ahead):.0f} s; set this machine's clock")
    elif ahead is not None:
        yield note(CHECK, f"clock: agrees with RunPod's within {abs(ahead) + 1:.0f} s")
    yield note(CHECK, "balance: RunPod's API does not tell it; the console does, under Billing")


def _first(provider: Provider, spec: JobSpec) -> str:
    found = look_for(provider, spec).candidates
    return f"{len(found)} offers fit, the first: {found[0]}"
