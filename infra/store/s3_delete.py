"""Removal of an object, silent when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.store.s3_client import is_custom
from infra.store.s3_errors import is_missing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def delete_object(client: S3Client, bucket: str, key: str) -> None:
    """Remove an object if there is one. Raises boto3's errors.

    S3 answers 204 for what is not there. Servers that keep files in folders may fail (500), or remove the parent that
    they take for an empty folder (`rclone serve s3` 1.75: DELETE of "a/b" removes the object "a"). So any server but
    AWS is asked first whether there is such an object.
    """
    if is_custom(client) and _is_absent(client, bucket, key):
        return
    client.delete_object(Bucket=bucket, Key=key)


def _is_absent(client: S3Client, bucket: str, key: str) -> bool:
    """False also where nobody says so: then the removal itself gets the answer."""
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        return is_missing(client, bucket, key, error)
    return False
