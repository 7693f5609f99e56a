"""A pod's output by server-sent events: a stream without an end, read as far as it goes now."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import requests
from urllib3.exceptions import ReadTimeoutError

from infra.pods.base import Transient
from infra.pods.runpod_client import Client, in_words
from infra.pods.runpod_errors import Answer, error_of

TAIL = 5000
"""The most lines that RunPod gives."""
SILENCE_SECONDS = 5.0
"""After so long without a line, what there is has been read."""
READ_SECONDS = 60.0
"""For one whole read, however much comes."""
RESUMES = 5
LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Event:
    """One line of output and the place in the stream that it marks."""

    id: str
    line: str


class _Cut(Exception):
    """The stream broke off before it fell silent."""


def read_logs(client: Client, pod_id: str, source: str = "container") -> Iterator[bytes]:
    """The newest lines, oldest first; none for a pod that is gone. A stream that breaks is resumed where it broke."""
    attempt = f"cannot read the log of pod {pod_id}"
    until = time.monotonic() + READ_SECONDS
    # A stream is read again from its beginning, and what is known is dropped: one that is resumed at an id goes on
    # behind it, and lines share ids, those of the vendor's own log a whole second's.
    seen: list[Event] = []
    for _ in range(RESUMES + 1):
        known = deque(seen)
        try:
            for event in _events(client, pod_id, source, attempt, until):
                while known and event != known[0]:
                    known.popleft()  # older than what the stream begins with now
                if known:
                    known.popleft()
                    continue
                seen.append(event)
                yield event.line.encode() + b"\n"
            return
        except _Cut:
            continue
        except requests.RequestException as error:
            raise Transient(f"{attempt}: {in_words(error)}; try again later") from error
    raise Transient(f"{attempt}: the stream breaks again and again; try again later")


def _events(client: Client, pod_id: str, source: str, attempt: str, until: float) -> Iterator[Event]:
    query = {"source": source, "tail": TAIL}
    headers = {"Accept": "text/event-stream"}
    with client.stream(f"/pods/{quote(pod_id, safe='')}/logs", attempt, query, headers, SILENCE_SECONDS) as response:
        if response.status_code != 200:
            answer = Answer(response.status_code, response.content, response.headers)
            if answer.status == 404 and answer.is_runpods:
                return
            raise error_of(answer, attempt, (client.key,))
        event_id, data, heard = "", [""], time.monotonic()
        for line in _lines(response):
            now = time.monotonic()
            if line.startswith("id:"):
                event_id = line[3:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and len(data) > 1:
                yield Event(event_id, _text("\n".join(data[1:])))
                event_id, data, heard = "", [""], now
            # A comment keeps the connection alive, and says nothing of the log.
            if now > until or now - heard > SILENCE_SECONDS:
                return


def _lines(response: requests.Response) -> Iterator[str]:
    """Lines as they come. Ends where the stream falls silent, raises `_Cut` where it breaks off."""
    left = b""
    try:
        # Without chunks only single bytes come as soon as they are there.
        size = None if response.headers.get("Transfer-Encoding") == "chunked" else 1
        for piece in response.iter_content(chunk_size=size):
            *whole, left = (left + piece).split(b"\n")
            if len(left) > LINE_BYTES:
                raise _Cut
            for line in whole:
                yield line.removesuffix(b"\r").decode(errors="replace")
    except requests.ConnectionError as error:
        # requests reports silence in the midst of a body so, and not as a timeout of its own.
        if any(isinstance(cause, ReadTimeoutError) for cause in error.args):
            return
        raise _Cut from error
    except requests.RequestException as error:
        raise _Cut from error


def _text(data: str) -> str:
    try:
        document = json.loads(data)
    except ValueError:
        return data
    return str(document.get("line", "")) if isinstance(document, dict) else data
