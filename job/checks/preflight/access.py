"""How the pod will reach the store: tried, not guessed."""

from infra.store import StoreError
from job.checks.finding import Finding, error, note, warning
from job.errors import UsageError
from job.run.store_access import for_attempt
from job.spec.model import JobSpec

NOBODY = "preflight"
"""Stands for a run and its data that don't exist yet."""


def about_access(spec: JobSpec, store_url: str) -> list[Finding]:
    """Gets credentials such as the pod will get, for as long as it will need them, and drops them."""
    try:
        access = for_attempt(spec, store_url, NOBODY, NOBODY, 1)
    except (UsageError, StoreError) as trouble:
        return [error("access", str(trouble))]
    if not access.env:
        return []
    return [note("access", f"the pod reaches the store with: {access.kind}"), *map(_warning, access.warnings)]


def _warning(said: str) -> Finding:
    return warning("access", said)
