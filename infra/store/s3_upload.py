"""Local files of any size into a bucket, in constant memory."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 16 << 20
MAX_PARTS = 10_000  # S3's limit
AT_ONCE = 4


def upload_file(client: S3Client, bucket: str, key: str, path: Path) -> None:
    """Write an object from a file, in parts where it is larger than one. Raises boto3's errors and OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= PART_BYTES:
            client.put_object(Bucket=bucket, Key=key, Body=file)
            return
    _upload_in_parts(client, bucket, key, path, size)


def part_size(size: int) -> int:
    """Bytes of each part but the last, whole MiB: R2 wants them equal, S3 at most 10,000 of them."""
    least = -(-size // MAX_PARTS)
    return max(PART_BYTES, -(-least // (1 << 20)) << 20)


def _upload_in_parts(client: S3Client, bucket: str, key: str, path: Path, size: int) -> None:
    step = part_size(size)
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]

    def send(number: int) -> CompletedPartTypeDef:
        with _Slice(path, number * step, min(step, size - number * step)) as body:
            answer = client.upload_part(
                Bucket=bucket, Key=key, UploadId=upload, PartNumber=number + 1, Body=cast("IO[bytes]", body)
            )
        return {"PartNumber": number + 1, "ETag": answer["ETag"]}

    try:
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3-part")
        try:
            parts = list(pool.map(send, range(-(-size // step))))
        finally:
            # After a failure the parts that wait are not worth sending.
            pool.shutdown(cancel_futures=True)
        client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    except BaseException:
        # Parts of an unfinished upload are billed until somebody removes them.
        with suppress(ClientError, BotoCoreError):
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        raise


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
