"""Errors that mean silence: nothing may be concluded from them."""

from infra.pods import ProviderError
from infra.store import StoreError
from job.errors import CannotTellError

RECORD_AWAY = (StoreError, CannotTellError)
"""The store does not answer, or what the record answers cannot be read now."""
NO_ANSWER = (*RECORD_AWAY, ProviderError)
"""The same of whatever a command asks, record or provider."""
