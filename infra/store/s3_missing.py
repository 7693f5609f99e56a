"""Whether there is no object, where the server would rather not say.

AWS answers 403 instead of 404 for an object that is not there to whoever may not list the whole bucket, and a pod's
session may list its run only (AWS: "GetObject", permissions). A listing of that one key tells the two apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.store.s3_errors import code_of, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def is_missing(client: S3Client, bucket: str, key: str, error: ClientError) -> bool:
    """What this answer to GET or HEAD means. Raises boto3's network errors; False where the listing is refused, too."""
    if status_of(error) != 403:
        return status_of(error) == 404 and code_of(error) in ("NoSuchKey", "404")
    try:
        page = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    except ClientError:
        return False
    return all(item["Key"] != key for item in page.get("Contents", []))
