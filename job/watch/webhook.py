"""Posting of a message to a webhook, within a limit of time.

Errors are in words of our own: those of a library or of a server may repeat the URL, which is a secret.
"""

import http.client
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from infra.background import Background

WEBHOOK_SECONDS = 5.0


def post(url: str, body: bytes, seconds: float = WEBHOOK_SECONDS) -> str:
    """Posts JSON once, following no redirect; returns what went wrong, empty for nothing.

    The time is for everything, a name that does not resolve and a server that trickles included: a thread is left alone
    when it is over.
    """
    posting = Background(lambda: _post(url, body, seconds), "webhook")
    return posting.result() if posting.wait(seconds) else f"no answer within {seconds:g} s"


def is_url(text: str) -> bool:
    """Whether something can be posted to."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would be sent as a GET, without the message."""

    def redirect_request(self, *given: Any, **named: Any) -> None:
        return None


def _post(url: str, body: bytes, seconds: float) -> str:
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", "User-Agent": "codecjob"})
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"answered {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, TimeoutError):
            return f"no answer within {seconds:g} s"
        if isinstance(cause, ConnectionError) and cause.strerror:
            return cause.strerror
        return type(cause).__name__
