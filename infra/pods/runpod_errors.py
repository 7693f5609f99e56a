"""RunPod's answers that are no success, as the errors of `infra.pods`: one table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.pods.base import (
    InvalidRequest,
    NoBalance,
    NoCapacity,
    OfferRefused,
    ProviderError,
    RateLimited,
    Transient,
    Unauthorised,
)

DETAIL_CHARACTERS = 300


class NoSuchThing(ProviderError):
    """RunPod knows nothing of that id or path, or not for this account."""


# status -> (error, what it means, how to fix it)
ERRORS: dict[int, tuple[type[ProviderError], str, str]] = {
    400: (InvalidRequest, "RunPod refuses the request", "fix what it names"),
    401: (Unauthorised, "RunPod does not know the key", "set RUNPOD_API_KEY to one from the console's settings"),
    402: (NoBalance, "the account's balance does not cover it", "top it up in the console, under Billing"),
    403: (Unauthorised, "the key has no access", "give it the permission in the console's settings"),
    404: (NoSuchThing, "RunPod knows no such thing", "check its id, and that it is this account's"),
    409: (InvalidRequest, "it is not possible in its present state", "look at it in the console"),
    410: (ProviderError, "RunPod has retired this version of its API", "update codecjob"),
    413: (InvalidRequest, "the request is too large", "pass less in the environment"),
    422: (InvalidRequest, "RunPod finds a fault in the request", "fix what it names"),
    429: (RateLimited, "RunPod asks for fewer calls", "try again in a minute"),
}

LOCKED = re.compile(r"\bis locked\b", re.IGNORECASE)
_UNLOCK = (
    ProviderError,
    "it is locked, which only its owner can have done, and cannot be ended so",
    'unlock it in the console, or send PATCH {"locked": false}, and end it again',
)
_EDGE: tuple[type[ProviderError], str, str] = (
    Transient,
    "something before RunPod (Cloudflare, a proxy) has answered in its place",
    "try again later, or from another network",
)
EDGE_CODE = re.compile(r"error code: (\d{3,5})")
"""Cloudflare's own number of a refusal."""

FAILED: tuple[type[ProviderError], str, str] = (Transient, "RunPod failed", "try again later")
UNKNOWN: tuple[type[ProviderError], str, str] = (ProviderError, "RunPod's answer is unknown", "update codecjob")

# All that tells "nothing free" from "a rule is broken": both are status 400. Texts seen in public clients' code; RunPod
# itself says of any other: try the next candidate, and only what every candidate is refused for is the request's fault.
CAPACITY = re.compile(
    r"no longer any instances available"
    r"|no instances (?:currently )?available"
    r"|could not find any pods with required specifications"
    r"|does not have the resources to deploy"
    r"|not enough free gpus"
    r"|(?:no|not enough|insufficient|out of) (?:\w+ ){0,2}(?:capacity|stock|resources)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, as far as anything is decided by it."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the call did what it was to do."""
        return 200 <= self.status < 300

    @property
    def is_runpods(self) -> bool:
        """Whether RunPod itself can have written this: an error of it is a JSON document, a page never is.

        Cloudflare stands before the API and refuses some requests before the key is looked at.
        """
        return not self.body.strip() or isinstance(self.document(), dict)

    @property
    def is_locked(self) -> bool:
        """Whether it refuses an action since its owner has locked the pod."""
        return self.status == 400 and LOCKED.search(self.detail()) is not None

    def document(self) -> Any:
        """The JSON of the body; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def retry_after(self) -> float | None:
        """Seconds to wait before the next try, where the answer says."""
        try:
            seconds = float(self.headers.get("Retry-After", ""))
        except ValueError:
            return None
        return seconds if 0 <= seconds < float("inf") else None

    def detail(self, secrets: Iterable[str] = ()) -> str:
        """What the answer says in words, on one line; a secret that it repeats is masked."""
        said = self.document()
        if not isinstance(said, dict):
            code = EDGE_CODE.search(self.body[:1000].decode(errors="replace"))
            return code[0] if code else ""
        listed = said.get("errors")
        errors = listed if isinstance(listed, list) else []
        words = "; ".join(str(part) for part in (said.get("detail") or said.get("title"), *errors) if part)
        for secret in secrets:
            words = words.replace(secret, "***")
        words = "".join(sign if sign.isprintable() else " " for sign in words)
        return words if len(words) <= DETAIL_CHARACTERS else f"{words[:DETAIL_CHARACTERS]}..."


def error_of(answer: Answer, attempt: str, secrets: Iterable[str] = ()) -> ProviderError:
    """The error for an answer to anything but a launch. `attempt` is what failed, such as "cannot list pods"."""
    failed = answer.status >= 500 or answer.status == 408
    kind, words, remedy = FAILED if failed else ERRORS.get(answer.status, UNKNOWN)
    if answer.is_locked:
        kind, words, remedy = _UNLOCK
    if not answer.is_runpods and not failed and answer.status != 429:
        kind, words, remedy = _EDGE
    return kind(_line(answer, attempt, words, remedy, secrets))


def launch_error(answer: Answer, attempt: str, secrets: Iterable[str] = ()) -> ProviderError:
    """The error for an answer to a launch: some statuses speak of this one offer and not of the request."""
    if answer.is_runpods and answer.status in (400, 403, 404):
        return _of_an_offer(answer, attempt, secrets)
    error = error_of(answer, attempt, secrets)
    seen = answer.is_runpods or answer.status >= 500
    if seen and isinstance(error, Transient) and not isinstance(error, RateLimited):
        return Transient(f"{error}; a pod may exist all the same")
    return error


def _of_an_offer(answer: Answer, attempt: str, secrets: Iterable[str]) -> ProviderError:
    """The error for a status that need not be the request's fault: 400, 403 and 404."""
    if answer.status == 400 and CAPACITY.search(answer.detail()):
        return NoCapacity(_line(answer, attempt, "there is none free", "take another offer, or try later", secrets))
    if answer.status == 400:
        words, remedy = "RunPod refuses it", "fix what it names, or take another offer"
        return OfferRefused(_line(answer, attempt, words, remedy, secrets))
    if answer.status == 403:
        words, remedy = (
            "the account or the key has no access to it",
            "take another offer, or widen the key's permissions",
        )
        return NoCapacity(_line(answer, attempt, words, remedy, secrets))
    words, remedy = "something that it names does not exist", "check image, volume and registry"
    return InvalidRequest(_line(answer, attempt, words, remedy, secrets))


def _line(answer: Answer, attempt: str, words: str, remedy: str, secrets: Iterable[str]) -> str:
    said = answer.detail(secrets)
    return f"{attempt}: {words} ({answer.status}{': ' + said if said else ''}); {remedy}"
