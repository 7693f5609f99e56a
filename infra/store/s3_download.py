"""Objects out of a bucket: whole or not at all, and a large one from where an interrupted download had stopped.

A connection that breaks in the middle of a body is taken up again at the byte where it broke, a few times. An object
above `RANGE_BYTES` comes in ranges, several at once, all of the version that the first one showed (If-Match). They are
written into a `.part` file, with the finished ones in a sidecar beside it, and the file is renamed when it is complete.
Bytes are compared with the hash that codecjob's own writes carry. Large objects have none: there the caller verifies.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypedDict

from botocore import exceptions as boto
from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from infra.files import TEMP_PREFIX, sync_folder, write_atomic
from infra.store.s3_answers import Version, is_range, marks_of, start_of, total_of, version_of
from infra.store.s3_errors import DamagedError, status_of

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

SHA256 = "codecjob-sha256"
"""The metadata under which `put`, `create` and small uploads leave the hash of their bytes."""
RANGE_BYTES = 16 << 20
CHUNK_BYTES = 1 << 20
AT_ONCE = 4
TRIES = 5
PAUSE_SECONDS = 0.2
"""After the first broken body; doubled after each."""

# What a body can raise while it is read. Before that, boto3 itself has tried several times.
CUT = (boto.IncompleteReadError, boto.ResponseStreamingError, boto.HTTPClientError, HTTPError)


def fingerprint(data: bytes) -> dict[str, str]:
    """The metadata that lets a reader see whether it has got these bytes."""
    return {SHA256: hashlib.sha256(data).hexdigest()}


def read_object(client: S3Client, bucket: str, key: str) -> bytes:
    """A whole object. Raises boto3's errors, or `DamagedError` when other bytes come than were written."""
    return _Source(client, bucket, key).read()


def download_file(client: S3Client, bucket: str, key: str, path: Path) -> None:
    """Write an object into a file of an existing folder. Raises boto3's errors, `DamagedError` and OSError.

    After an error of the store, what has come stays beside the file for the next call.
    """
    _Source(client, bucket, key).download(path)


class _Asked(TypedDict, total=False):
    Range: str
    IfMatch: str


@dataclass(frozen=True)
class _First:
    """The answer to the first request, whose body begins with the object's first byte."""

    answer: GetObjectOutputTypeDef
    version: Version
    in_ranges: bool
    """Whether the server answers requests for ranges."""

    @property
    def size(self) -> int | None:
        return self.version.total


class _Source:
    def __init__(self, client: S3Client, bucket: str, key: str) -> None:
        self.client = client
        self.bucket = bucket
        self.key = key

    def read(self) -> bytes:
        for attempt in range(TRIES):
            first = self._first()
            data = b"".join(self._stream(0, first.size, first))
            if _is_as_written(first.answer, hashlib.sha256(data).hexdigest()):
                return data
            _pause(attempt)
        raise DamagedError

    def download(self, path: Path) -> None:
        for attempt in range(TRIES):
            first = self._first()
            try:
                if first.in_ranges and first.size is not None and first.size > RANGE_BYTES:
                    self._in_ranges(path, first.size, first)
                else:
                    write_atomic(path, self._verified(first))
                return
            except DamagedError:
                if attempt == TRIES - 1:
                    raise
            except ClientError as error:
                if status_of(error) != 412 or attempt == TRIES - 1:
                    raise  # 412: the object was replaced meanwhile, so its new version is fetched
            _pause(attempt)

    def _first(self) -> _First:
        """The answer with the first range; with the whole object where the server knows no ranges."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.key, Range=f"bytes=0-{RANGE_BYTES - 1}")
        except ClientError as error:
            # An empty object has no first byte. That is a 416; some servers say 400, or that they know no ranges (501).
            if status_of(error) not in (400, 416, 501):
                raise
            return self._whole(error)
        total = total_of(answer)
        # A range of which nobody knows what it is a part of. The last case may be one that does not say so.
        if start_of(answer) != 0 or total is None or (total == RANGE_BYTES and not is_range(answer)):
            answer["Body"].close()
            return self._whole()
        return _First(answer, version_of(answer), is_range(answer))

    def _whole(self, refused: ClientError | None = None) -> _First:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.key)
        except ClientError:
            if refused is not None:
                raise refused from None
            raise
        return _First(answer, version_of(answer), False)

    def _stream(self, start: int, end: int | None, first: _First, opened: bool = True) -> Iterator[bytes]:
        """The bytes from `start` to `end` (None: to the object's end), of the version of `first`.

        Its own body is read where it is `opened`.
        """
        failures = 0
        while end is None or start < end:
            body, extra = (first.answer["Body"], 0) if opened else self._range(start, end, first)
            opened, before = False, start
            try:
                with body:
                    _skip(body, extra)
                    while chunk := body.read(CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - start)):
                        start += len(chunk)
                        yield chunk
                if end is None:
                    return
                if start == before:
                    raise boto.IncompleteReadError(actual_bytes=0, expected_bytes=end - start)
            except CUT:
                failures += 1
                if failures == TRIES:
                    raise
                _pause(failures - 1)

    def _range(self, start: int, end: int | None, first: _First) -> tuple[StreamingBody, int]:
        """A body with the bytes from `start`, and how many come before: a server without ranges sends all again.

        Raises `DamagedError` where it is of another version.
        """
        asked: _Asked = {"Range": f"bytes={start}-{end - 1}"} if first.in_ranges and end is not None else {}
        etag = first.version.strong_etag
        if etag:
            asked["IfMatch"] = etag
        answer = self.client.get_object(Bucket=self.bucket, Key=self.key, **asked)
        begins = start_of(answer)
        if begins is None or begins > start or not first.version.may_be(version_of(answer)):
            answer["Body"].close()
            raise DamagedError
        return answer["Body"], start - begins

    def _verified(self, first: _First) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in self._stream(0, first.size, first):
            digest.update(chunk)
            yield chunk
        if not _is_as_written(first.answer, digest.hexdigest()):
            raise DamagedError

    def _in_ranges(self, path: Path, size: int, first: _First) -> None:
        seen = first.version
        version: dict[str, object] = {
            "key": self.key,
            "etag": seen.etag or seen.modified,
            "size": size,
            "range": RANGE_BYTES,
        }
        with _partial(path, version) as partial:

            def bring(number: int) -> None:
                start = number * RANGE_BYTES
                chunks = self._stream(start, min(start + RANGE_BYTES, size), first, opened=number == 0)
                partial.write(number, start, chunks)

            missing = [number for number in range(-(-size // RANGE_BYTES)) if number not in partial.done]
            if 0 not in missing:
                first.answer["Body"].close()
            pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3-range")
            try:
                list(pool.map(bring, missing))
            finally:
                # After a failure the ranges that wait are not worth asking for.
                pool.shutdown(cancel_futures=True)
            partial.publish(path)


def _skip(body: StreamingBody, count: int) -> None:
    while count > 0:
        chunk = body.read(min(CHUNK_BYTES, count))
        if not chunk:
            raise boto.IncompleteReadError(actual_bytes=0, expected_bytes=count)
        count -= len(chunk)


class _Partial:
    """A file that is not complete yet, and the sidecar that says what it has."""

    def __init__(self, part: Path, sidecar: Path, record: IO[str], version: dict[str, object]) -> None:
        self.part = part
        self.sidecar = sidecar
        self._record = record
        self._lock = threading.Lock()
        self.done = self._known(version) if part.exists() else set()
        if not self.done:
            with part.open("wb") as file:
                file.truncate(int(str(version["size"])))
            record.seek(0)
            record.truncate()
            record.write(json.dumps(version) + "\n")

    def write(self, number: int, start: int, chunks: Iterator[bytes]) -> None:
        """Writes one range, and then notes that it is there."""
        with self.part.open("r+b") as file:
            file.seek(start)
            for chunk in chunks:
                file.write(chunk)
        # Nothing is put on disk in between: after a power failure the caller's hash tells.
        with self._lock:
            self._record.write(f"{number}\n")
            self._record.flush()
            self.done.add(number)

    def publish(self, path: Path) -> None:
        with self.part.open("r+b") as file:
            os.fsync(file.fileno())
        self.part.replace(path)
        self.sidecar.unlink(missing_ok=True)
        sync_folder(path.parent)

    def remove(self) -> None:
        self.part.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)

    def _known(self, version: dict[str, object]) -> set[int]:
        self._record.seek(0)
        lines = self._record.read().split("\n")[:-1]  # a last line without its end was cut off by a kill
        try:
            return {int(line) for line in lines[1:]} if lines and json.loads(lines[0]) == version else set()
        except ValueError:
            return set()


@contextmanager
def _partial(path: Path, version: dict[str, object]) -> Iterator[_Partial]:
    """The unfinished download of a file, or a new one; another process's is left alone."""
    name = hashlib.sha256(path.name.encode()).hexdigest()[:16]
    with ExitStack() as stack:
        record = _locked(stack, path.parent / f"{TEMP_PREFIX}{name}.ranges")
        if record is None:
            name = uuid.uuid4().hex
            record = _locked(stack, path.parent / f"{TEMP_PREFIX}{name}.ranges")
            assert record is not None
        sidecar = path.parent / f"{TEMP_PREFIX}{name}.ranges"
        partial = _Partial(sidecar.with_suffix(".part"), sidecar, record, version)
        try:
            yield partial
        except (OSError, DamagedError):
            partial.remove()  # a full disk has to get its room back
            raise
        except ClientError as error:
            if status_of(error) == 412:
                partial.remove()
            raise


def _locked(stack: ExitStack, sidecar: Path) -> IO[str] | None:
    record = stack.enter_context(sidecar.open("a+"))
    try:
        fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return record


def _is_as_written(answer: GetObjectOutputTypeDef, sha256: str) -> bool:
    return marks_of(answer).get(SHA256) in (None, sha256)


def _pause(failures: int) -> None:
    time.sleep(PAUSE_SECONDS * 2**failures)
