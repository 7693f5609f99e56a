"""Errors that mean silence: nothing may be concluded from them."""

from infra.pods import ProviderError
from infra.store import AccessDenied, StoreError, StoreFull
from job.errors import CannotTellError

RECORD_AWAY = (StoreError, CannotTellError)
"""The store does not answer, or what the record answers cannot be read now."""
REFUSED = (StoreFull, AccessDenied)
"""The store answers and takes no write: no room, a quota, a key that may only read. What it holds can be relied on."""
NO_ANSWER = (*RECORD_AWAY, ProviderError)
"""The same of whatever a command asks, record or provider."""
