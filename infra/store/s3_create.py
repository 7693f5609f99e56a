"""Create-if-absent in a bucket: by a conditional write where the server has it, else by writing, waiting and reading.

Some servers refuse `If-None-Match: *` (Backblaze B2), some take it and ignore it, and Swift tests it some time before
it writes, so that two racers pass. Which of these a server is shows in its answers to the first create itself: nothing
beside the wanted object is ever written, so a restricted key needs no more rights than the creates themselves.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.store.s3_answers import marks_of
from infra.store.s3_download import fingerprint, read_object
from infra.store.s3_errors import NoMarksError, is_missing, is_repeated, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NONCE = "codecjob-nonce"
SETTLE_SECONDS = 1.0
CONFLICTS = 8

_atomic: dict[tuple[str, str], bool] = {}
"""Whether of racing conditional writes one wins, by endpoint and bucket, as far as this process has found out."""


def create_object(client: S3Client, bucket: str, key: str, data: bytes) -> bool:
    """Write an object unless there is one; whether it was written. Raises boto3's errors and `NoMarksError`.

    Where the server has no atomic condition, exactly one of racing callers gets True as long as none of them needs
    longer than `SETTLE_SECONDS` from finding no object to having written its own. (The wait grows with the time that
    this caller needed.)
    """
    place, nonce = (client.meta.endpoint_url, bucket), uuid.uuid4().hex
    if _atomic.get(place):
        return _put_if_absent(client, bucket, key, data, nonce)
    started = time.monotonic()
    # A server that ignores the condition would replace what is there.
    if _marks_of(client, bucket, key) is not None:
        return False
    if place not in _atomic:
        try:
            if not _put_if_absent(client, bucket, key, data, nonce):
                return False
            _atomic[place] = _holds(client, bucket, key, data, nonce)
        except ClientError as error:
            if status_of(error) != 501:
                raise
            _atomic[place] = False
        if _atomic[place]:
            return True
    client.put_object(Bucket=bucket, Key=key, Body=data, Metadata=_marks(data, nonce))
    time.sleep(max(SETTLE_SECONDS, 3 * (time.monotonic() - started)))
    # Whoever else found no object has written by now: the last of them has won.
    return _is_ours(client, bucket, key, data, nonce)


def has_conditions(client: S3Client, bucket: str) -> bool | None:
    """Whether the server's conditional writes are used, as this process has found out; None before the first create."""
    return _atomic.get((client.meta.endpoint_url, bucket))


def _put_if_absent(client: S3Client, bucket: str, key: str, data: bytes, nonce: str) -> bool:
    for attempt in range(CONFLICTS):
        try:
            client.put_object(Bucket=bucket, Key=key, Body=data, Metadata=_marks(data, nonce), IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) == 412:
                # boto3 repeats a write whose answer was lost, and that one then meets itself.
                return _is_ours(client, bucket, key, data, nonce, repeated=is_repeated(error))
            if status_of(error) != 409 or attempt == CONFLICTS - 1:
                raise
            # Another write of this key is under way, and may yet fail.
            time.sleep(0.05 * 2**attempt)
        else:
            return True
    raise AssertionError


def _marks(data: bytes, nonce: str) -> dict[str, str]:
    return {NONCE: nonce, **fingerprint(data)}


def _holds(client: S3Client, bucket: str, key: str, data: bytes, nonce: str) -> bool:
    """Whether the condition that has just let an object through keeps a second one out, also in a race."""
    try:
        client.put_object(Bucket=bucket, Key=key, Body=data, Metadata=_marks(data, nonce), IfNoneMatch="*")
    except ClientError as error:
        if status_of(error) != 412:
            raise
        # Swift looks some time before it writes. Nothing but its own header tells it from servers that don't.
        return "x-openstack-request-id" not in error.response["ResponseMetadata"]["HTTPHeaders"]
    return False


def _is_ours(client: S3Client, bucket: str, key: str, data: bytes, nonce: str, repeated: bool = True) -> bool:
    """Whether the object is the one that this call has written, in a request that may be `repeated`.

    Raises `NoMarksError` where nobody can tell: the bytes are ours, and the server has kept no mark on them.
    """
    marks = _marks_of(client, bucket, key)
    if marks is None or NONCE in marks:
        return marks is not None and marks[NONCE] == nonce
    if marks or not repeated or read_object(client, bucket, key) != data:
        return False
    raise NoMarksError


def _marks_of(client: S3Client, bucket: str, key: str) -> dict[str, str] | None:
    """The object's metadata; None if there is no object."""
    try:
        return marks_of(client.head_object(Bucket=bucket, Key=key))
    except ClientError as error:
        if is_missing(client, bucket, key, error):
            return None
        raise
