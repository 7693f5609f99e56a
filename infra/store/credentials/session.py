"""What a session is, and what it is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field

from infra.store.base import StoreError


class SessionRefused(StoreError):
    """No session can be had: not this long, not of this role, not from this server."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a session may do below a store's prefix. Each entry is a prefix of keys that ends with "/".

    There is nothing for deleting: a session can add and overwrite, and only where it may write.
    """

    read: tuple[str, ...]
    write: tuple[str, ...]
    list: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """Keys for a client of S3."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    """"" for keys that are no session's."""
    expires: float | None = None
    """Unix seconds; None where nobody knows or there is no end."""

    def env(self) -> dict[str, str]:
        """The environment in which AWS's clients, and so `open_store`, use these keys.

        The token is always named, so that one that is inherited does not count.
        """
        return {
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.token,
        }
