"""Local files of any size into a bucket, in constant memory."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypedDict, cast

from botocore.exceptions import BotoCoreError, ClientError

from infra.store.s3_answers import part_of
from infra.store.s3_download import SHA256
from infra.store.s3_errors import code_of, is_unknown_call

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, MultipartUploadTypeDef

PART_BYTES = 16 << 20
MAX_PARTS = 10_000  # S3's limit
AT_ONCE = 4


def upload_file(client: S3Client, bucket: str, key: str, path: Path, begun: dict[str, str]) -> None:
    """Write an object from a file, in parts where it is larger than one. Raises boto3's errors and OSError.

    Parts that an interrupted upload of the same file has left are not sent again. ``begun`` remembers the unfinished
    uploads of this process, for credentials that may not list those of the bucket.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
    if size <= PART_BYTES:
        _put_whole(client, bucket, key, path)
        return
    upload = _Upload(client, bucket, key, path, size, begun)
    try:
        upload.go_on()
    except ClientError as error:
        if is_unknown_call(error) and error.operation_name == "CreateMultipartUpload":
            _put_whole(client, bucket, key, path)
            return
        # Swept away by somebody, finished by a call whose answer was lost, or mixed up by a second writer.
        if code_of(error) not in ("NoSuchUpload", "InvalidPart"):
            raise
        if not upload.is_there():
            upload.begin()
            upload.go_on()
    begun.pop(key, None)


def abort_uploads(client: S3Client, bucket: str, prefix: str, before: float) -> int:
    """Remove the parts of unfinished uploads below a prefix that began before a time; returns how many there were.

    A server that cannot list them has none that anybody could remove.
    """
    try:
        found = _unfinished(client, bucket, prefix)
    except ClientError as error:
        if is_unknown_call(error) or code_of(error) == "NoSuchUpload":
            return 0
        raise
    old = [item for item in found if part_of(item, "Initiated").timestamp() < before]
    for item in old:
        with suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(Bucket=bucket, Key=item["Key"], UploadId=item["UploadId"])
    return len(old)


def part_size(size: int) -> int:
    """Bytes of each part but the last, whole MiB: R2 wants them equal, S3 at most 10,000 of them."""
    least = -(-size // MAX_PARTS)
    return max(PART_BYTES, -(-least // (1 << 20)) << 20)


def _put_whole(client: S3Client, bucket: str, key: str, path: Path) -> None:
    """In one request; S3's limit for that is 5 GB."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        client.put_object(Bucket=bucket, Key=key, Body=file, Metadata={SHA256: digest})


class _Place(TypedDict):
    Bucket: str
    Key: str


class _Upload:
    """A large file on its way up."""

    def __init__(self, client: S3Client, bucket: str, key: str, path: Path, size: int, begun: dict[str, str]) -> None:
        self.client = client
        self.begun = begun
        self.place: _Place = {"Bucket": bucket, "Key": key}
        self.path = path
        self.size = size
        self.step = part_size(size)
        self.parts: list[CompletedPartTypeDef] = []
        self.there: dict[int, str] = {}
        self.id = ""

    def begin(self) -> None:
        """Starts from nothing."""
        self.id, self.there = self.client.create_multipart_upload(**self.place)["UploadId"], {}
        self.begun[self.place["Key"]] = self.id

    def go_on(self) -> None:
        """Sends what is missing and makes the object of it."""
        if not self.id and not self._find():
            self.begin()
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3-part")
        try:
            self.parts = list(pool.map(self._send, range(-(-self.size // self.step))))
        except OSError:
            # The file is at fault. Else the parts stay for the next try; they are billed until then, or until a sweep.
            with suppress(ClientError, BotoCoreError):
                self.client.abort_multipart_upload(**self.place, UploadId=self.id)
            raise
        finally:
            # After a failure the parts that wait are not worth sending.
            pool.shutdown(cancel_futures=True)
        self.client.complete_multipart_upload(**self.place, UploadId=self.id, MultipartUpload={"Parts": self.parts})

    def is_there(self) -> bool:
        """Whether the object is made of these very parts: its ETag is the MD5 of theirs."""
        try:
            digests = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in self.parts)
            found = _etag_of(self.client.head_object(**self.place)).strip('"')
        except (ClientError, ValueError):
            return False
        expected = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(self.parts)}"
        return bool(self.parts) and found == expected

    def _find(self) -> bool:
        """Whether an earlier upload of this key can be taken up. Without the right to look there is none."""
        with suppress(ClientError):
            self.id = self.begun.get(self.place["Key"]) or self._newest()
            if self.id:
                pages = self.client.get_paginator("list_parts").paginate(**self.place, UploadId=self.id)
                parts = [part for page in pages for part in page.get("Parts", [])]
                self.there = {part["PartNumber"]: etag for part in parts if (etag := _etag_of(part))}
                return True
        return False

    def _newest(self) -> str:
        key = self.place["Key"]
        found = [item for item in _unfinished(self.client, self.place["Bucket"], key) if item["Key"] == key]
        # Where the server does not say when, any will do: what it lacks is sent.
        return max(found, key=lambda item: str(item.get("Initiated", "")))["UploadId"] if found else ""

    def _send(self, number: int) -> CompletedPartTypeDef:
        start = number * self.step
        with _Slice(self.path, start, min(self.step, self.size - start)) as body:
            etag = self.there.get(number + 1)
            if etag is None or etag.strip('"') != _md5(body):
                body.seek(0)
                sent = self.client.upload_part(
                    **self.place, UploadId=self.id, PartNumber=number + 1, Body=cast("IO[bytes]", body)
                )
                etag = _etag_of(sent) or f'"{_md5(body)}"'
        return {"PartNumber": number + 1, "ETag": etag}


def _unfinished(client: S3Client, bucket: str, prefix: str) -> list[MultipartUploadTypeDef]:
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    return [item for page in pages for item in page.get("Uploads", [])]


def _etag_of(answer: Mapping[str, Any]) -> str:
    """A part's ETag; "" where there is none. A proxy may have called it weak, and its server does not know that one."""
    return str(answer.get("ETag") or "").removeprefix("W/")


def _md5(body: _Slice) -> str:
    body.seek(0)
    digest = hashlib.md5(usedforsecurity=False)
    while chunk := body.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


class _Slice(io.RawIOBase):
    """A part of a file as a file, so that no part has to fit into memory."""

    def __init__(self, path: Path, start: int, length: int) -> None:
        self._file = path.open("rb")
        self._start = start
        self._length = length
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._length}[whence]
        return self._file.seek(self._start + base + offset) - self._start

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        return self._file.readinto(view[: max(0, self._length - self.tell())])

    def close(self) -> None:
        self._file.close()
        super().close()
