"""Calls of RunPod's REST API v2: the key, timeouts, and which calls may be tried again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import requests

from infra.pods import runpod_key
from infra.pods.base import CannotTell, Transient
from infra.pods.runpod_errors import Answer, error_of

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
CREATE_SECONDS = 90.0
"""A create that is given up too early may have worked: patience is cheaper than finding out."""
PAUSES = (1.0, 2.0, 4.0)
"""Before each further try of a call that may be repeated."""
QUOTA_SECONDS = 90.0
"""How long one call waits in all for RunPod's rate limit; its shortest window is a minute."""
QUOTA_PAUSE = 5.0
"""Where a 429 does not say how long."""
RESERVE = 10
"""Calls of the account's quota that are used slowly: a pod that ends itself needs some of the same."""
SLOW_SECONDS = 30.0
"""The longest wait before a call for the sake of the quota alone."""
PAGES = 1000
WINDOW = re.compile(r"r=(\d+);\s*t=(\d+)")


class Client:
    """One account. Opening asks nobody and needs no key; the first call does."""

    def __init__(
        self, url: str | None = None, key: str | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.url = url or runpod_key.base_url()
        self.session = requests.Session()
        # Cloudflare, which stands before the API, refuses the default names of Python's libraries (error code 1010).
        self.session.headers["User-Agent"] = user_agent()
        self.sleep = sleep
        self.clock_ahead: float | None = None
        """Seconds by which this machine's clock is ahead of RunPod's, by the newest answer; within a second."""
        self._key = key
        self._next_pause = 0.0

    @property
    def key(self) -> str:
        """The account's key. Raises `Unauthorised` where there is none."""
        if self._key is None:
            self._key = runpod_key.api_key()
        return self._key

    def get(self, path: str, attempt: str, **query: Any) -> Any:
        """The document at a path, tried again after what may pass. `attempt` is said when it fails for good."""
        answer = self.repeat("GET", path, attempt, query=query)
        if not answer.ok:
            raise error_of(answer, attempt, (self.key,))
        document = answer.document()
        if not isinstance(document, dict):
            raise Transient(f"{attempt}: RunPod's answer is not JSON; try again later")
        return document

    def pages(self, path: str, name: str, attempt: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every entry of a list, over all its pages. Raises `CannotTell` rather than leave one out."""
        seen: set[str] = set()
        while True:
            document = self.get(path, attempt, **query)
            entries = document.get(name)
            if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                raise CannotTell(f"{attempt}: RunPod's answer has no list of {name}; update codecjob")
            yield from entries
            pagination = document.get("pagination") or {}
            if not pagination.get("hasNextPage"):
                return
            cursor = pagination.get("nextCursor")
            if not isinstance(cursor, str) or cursor in seen or len(seen) >= PAGES:
                raise CannotTell(f"{attempt}: RunPod's list of {name} has no end; try again later")
            seen.add(cursor)
            query["cursor"] = cursor

    def repeat(
        self, method: str, path: str, attempt: str, query: Mapping[str, Any] | None = None, body: Any = None
    ) -> Answer:
        """An answer to a call that does no harm twice; the last one, or the last failure, after all tries."""
        for pause in PAUSES:
            try:
                answer = self.patiently(method, path, attempt, query, body)
                if answer.status < 500 and answer.is_runpods:
                    return answer
            except Transient:
                pass
            self.sleep(pause)
        return self.patiently(method, path, attempt, query, body)

    def patiently(
        self,
        method: str,
        path: str,
        attempt: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        seconds: float = READ_SECONDS,
    ) -> Answer:
        """One answer. Only a 429 is tried again: it is certain that nothing was done."""
        waited = 0.0
        while True:
            answer = self._once(method, path, attempt, query, body, seconds)
            if answer.status != 429:
                return answer
            asked = answer.retry_after()
            pause = QUOTA_PAUSE if asked is None else max(asked, 1.0)
            if waited + pause > QUOTA_SECONDS:
                return answer
            self.sleep(pause)
            waited += pause

    @contextmanager
    def stream(
        self, path: str, attempt: str, query: Mapping[str, Any], headers: Mapping[str, str], silence: float
    ) -> Iterator[requests.Response]:
        """An answer whose body is read as it comes; a read without anything for `silence` seconds raises."""
        response = self.session.request(
            "GET",
            f"{self.url}{path}",
            params=dict(query),
            headers=dict(headers),
            auth=self._sign,
            timeout=(CONNECT_SECONDS, silence),
            stream=True,
            allow_redirects=False,
        )
        with response:
            yield response

    def _once(
        self, method: str, path: str, attempt: str, query: Mapping[str, Any] | None, body: Any, seconds: float
    ) -> Answer:
        if self._next_pause:
            self.sleep(self._next_pause)
        try:
            response = self.session.request(
                method,
                f"{self.url}{path}",
                params=dict(query or {}),
                json=body,
                auth=self._sign,
                timeout=(CONNECT_SECONDS, seconds),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Transient(f"{attempt}: {in_words(error)}; check the network, or try again later") from error
        self._set_clock(response.headers.get("Date", ""))
        self._next_pause = quota_pause(response.headers.get("RateLimit", ""))
        return Answer(response.status_code, response.content, response.headers)

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As an `auth`, since requests would put what a .netrc says in the place of a mere header.
        request.headers["Authorization"] = f"Bearer {self.key}"
        return request

    def _set_clock(self, date: str) -> None:
        try:
            self.clock_ahead = time.time() - parsedate_to_datetime(date).timestamp()
        except ValueError:
            return


def user_agent() -> str:
    """How the client names itself: codecjob/VERSION."""
    try:
        return f"codecjob/{version('codecjob')}"
    except PackageNotFoundError:
        return "codecjob/0"


def quota_pause(rate_limit: str) -> float:
    """Seconds to wait before the next call, by a RateLimit header such as `"minute";r=3;t=12, "hour";r=2800;t=1812`.

    r calls are left for t seconds. The last few are spread over that time, so that hardly any call is refused.
    """
    windows = [(int(left), int(seconds)) for left, seconds in WINDOW.findall(rate_limit)]
    pauses = [seconds / (left + 1) for left, seconds in windows if left < RESERVE]
    return min(max(pauses, default=0.0), SLOW_SECONDS)


def in_words(error: requests.RequestException) -> str:
    """Why there was no answer, without the library's own words."""
    if isinstance(error, requests.exceptions.SSLError):
        return "RunPod's certificate is not trusted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.Timeout):
        return "no answer from RunPod in time"
    return "RunPod cannot be reached"
