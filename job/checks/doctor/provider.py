"""Checks of image and provider: whether the provider answers, as which account, and what the spec would get there."""

from collections.abc import Iterator

from infra.pods import Provider, TellsClock, kind_of, open_provider, paid_providers
from job.checks.doctor.check import Patient, attempt
from job.checks.finding import Finding, has_errors, note, warning
from job.checks.preflight import image
from job.record.store_clock import SKEW_SECONDS
from job.run.offers import look_for
from job.spec.model import JobSpec

CHECK = "provider"


def about_provider(patient: Patient) -> Iterator[Finding]:
    """Asks the spec's provider; without a spec each paid one that this machine has a key for. Starts nothing."""
    spec = patient.spec
    names = [spec.provider] if spec else [name for name in paid_providers() if kind_of(name).is_set_up()]
    if not names:
        titles = " or ".join(kind_of(name).title for name in paid_providers())
        yield note(CHECK, f"no {titles} key is set; name a SPEC to look at its provider: codecjob doctor SPEC")
    for name in names:
        yield from _about(open_provider(name), spec)


def about_image(patient: Patient) -> Iterator[Finding]:
    """What a preflight says of the spec's image."""
    if patient.spec is not None:
        yield from image.about_image(patient.spec)[1]


def _about(provider: Provider, spec: JobSpec | None) -> Iterator[Finding]:
    listed = attempt(CHECK, f"list the pods of {provider.name}", lambda: _count(provider))
    yield listed
    if has_errors([listed]):
        return
    kind = kind_of(provider.name)
    if isinstance(provider, TellsClock):
        yield from _about_clock(kind.title, provider.clock_ahead())
    if kind.balance:
        yield note(CHECK, f"balance: {kind.balance}")
    if spec is not None:
        yield attempt(CHECK, "find a machine for the spec", lambda: _first(provider, spec))


def _count(provider: Provider) -> str:
    pods = provider.find(None)
    return f"{len(pods)} of codecjob's" + (f": {', '.join(pod.id for pod in pods)}" if pods else "")


def _about_clock(title: str, ahead: float | None) -> Iterator[Finding]:
    if ahead is not None and abs(ahead) > SKEW_SECONDS:
        yield warning(CHECK, f"clock: this machine and {title} differ by {abs(ahead):.0f} s; set this machine's clock")
    elif ahead is not None:
        yield note(CHECK, f"clock: agrees with {title}'s within {abs(ahead) + 1:.0f} s")


def _first(provider: Provider, spec: JobSpec) -> str:
    found = look_for(provider, spec).candidates
    return f"{len(found)} offers fit, the first: {found[0]}"
