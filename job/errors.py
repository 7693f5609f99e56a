"""What a run's commands raise when the user, or the world, must mend something."""

from infra.pods import ProviderError
from infra.store import StoreError


class UsageError(Exception):
    """The user's mistake. The message is one line: what is wrong, where, and how to mend it (exit code 2)."""


class CannotTellError(Exception):
    """The store or the provider gave no usable answer, so nothing may be concluded from it (exit code 3)."""


RECORD_AWAY = (StoreError, CannotTellError)
"""The store does not answer, or what the record answers cannot be read now."""
NO_ANSWER = (*RECORD_AWAY, ProviderError)
"""The same of whatever a command asks, record or provider."""
