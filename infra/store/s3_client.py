"""The boto3 client, set so that AWS and every server that speaks its protocol accepts what it sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from infra.store.base import StoreError
from infra.store.credentials.session import Session
from infra.store.s3_errors import translate
from infra.store.s3_url import Addressing, S3Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ATTEMPTS = 5
CONNECT_SECONDS = 10
SILENCE_SECONDS = 30
"""How long the server may send nothing before a call counts as failed."""
CONNECTIONS = 32


def make_client(location: S3Location, keys: Session | None = None) -> S3Client:
    """A client that any number of threads may use. Reads AWS's files and environment, but asks no server.

    Raises `StoreError` where these settings contradict each other or name what is not there.
    """
    try:
        session = make_session(location, keys)
        client = session.client("s3", endpoint_url=location.endpoint, config=_config(location.addressing))
        if location.addressing is None and _addressing_is_open(client):
            client = session.client("s3", endpoint_url=location.endpoint, config=_config("path"))
    except BotoCoreError as error:
        raise translate(error, "open", location) from error
    except ValueError:
        where = "AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or endpoint_url in AWS's config file"
        raise StoreError(f"{location.url}: the endpoint is no URL; mend {where}") from None
    return client


def make_session(location: S3Location, keys: Session | None = None) -> boto3.session.Session:
    """Where credentials and settings of this place come from. Raises botocore's errors."""
    if keys is None:
        return boto3.session.Session(profile_name=location.profile, region_name=location.region)
    return boto3.session.Session(
        aws_access_key_id=keys.key_id,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token or None,
        region_name=location.region,
    )


def is_custom(client: S3Client) -> bool:
    """Whether the server is none of AWS's."""
    host = client.meta.endpoint_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return not host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _config(addressing: Addressing | None) -> Config:
    # A botocore of today adds CRC trailers that R2, B2, radosgw and older MinIO refuse over TLS. Integrity does not
    # hang on them: the signature covers the body's SHA-256, which the server has to check.
    return Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=SILENCE_SECONDS,
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        s3={"payload_signing_enabled": True, **({"addressing_style": addressing} if addressing else {})},
    )


def _addressing_is_open(client: S3Client) -> bool:
    """Whether the server is none of AWS's and no config file says how it wants buckets addressed.

    botocore would put the bucket into the host's name, for which few servers have a DNS entry.
    """
    style = (client.meta.config.s3 or {}).get("addressing_style")  # type: ignore[attr-defined]
    return not style and is_custom(client)
