"""A bucket of 100,000 objects. No real server here holds so many within a test's time: its listing is made up.

What is under test is the client: pages one after the other, never all of them at once.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from infra.store import open_store
from servers.server import S3Server, use

OBJECTS, PAGE = 100_000, 1000


class ListObjectsV2(BaseHTTPRequestHandler):
    """Answers as S3 does, with keys many/00000000 and so on."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        first = int(query.get("continuation-token", ["0"])[0])
        last = min(first + PAGE, OBJECTS)
        contents = "".join(
            f"<Contents><Key>many/{number:08d}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<Size>{number}</Size></Contents>"
            for number in range(first, last)
        )
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < OBJECTS else ""
        truncated = str(last < OBJECTS).lower()
        body = f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{contents}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), ListObjectsV2) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        use(S3Server(endpoint, "key", "secret"), monkeypatch)
        yield f"s3://bucket?endpoint={endpoint}"
        server.shutdown()
        thread.join(60)


def test_a_hundred_thousand_objects_are_listed_in_constant_memory(url: str) -> None:
    listing = open_store(url).list("many/")
    process = psutil.Process()
    sizes: list[int] = []
    count = 0
    for count, _ in enumerate(listing, 1):
        if count % (5 * PAGE) == 0:
            sizes.append(process.memory_info().rss)
    assert count == OBJECTS
    # Kept, they would take more than 100 MB.
    assert max(sizes) - sizes[0] < 30e6
