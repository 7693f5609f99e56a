"""The client's own credentials, and its store as another machine has to name it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError

from infra.store.base import AccessDenied
from infra.store.credentials.session import Session
from infra.store.s3_client import is_custom, make_client, make_session
from infra.store.s3_errors import translate
from infra.store.s3_url import ADDRESSINGS, S3Location


@dataclass(frozen=True, slots=True)
class OwnCredentials:
    """What this machine uses for a store."""

    source: str
    """Where AWS's rules have found them, in botocore's words: env, shared-credentials-file, sso, ..."""
    session: Session


def own_credentials(location: S3Location) -> OwnCredentials:
    """Raises `AccessDenied` where there are none, `StoreError` where AWS's files cannot be used."""
    try:
        found = make_session(location).get_credentials()
        frozen = found.get_frozen_credentials() if found else None
    except BotoCoreError as error:
        raise translate(error, "get credentials for", location) from error
    if found is None or frozen is None or not frozen.access_key or not frozen.secret_key:
        raise AccessDenied(
            f"no credentials for {location.url}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    expiry = getattr(found, "_expiry_time", None)  # botocore's refreshable kinds alone have one
    session = Session(
        frozen.access_key, frozen.secret_key, frozen.token or "", expiry.timestamp() if expiry is not None else None
    )
    return OwnCredentials(str(found.method), session)


def portable(location: S3Location) -> S3Location:
    """The same place without a word that only this machine's environment and files explain."""
    client = make_client(location)
    style = (client.meta.config.s3 or {}).get("addressing_style")  # type: ignore[attr-defined]
    return replace(
        location,
        endpoint=location.endpoint or (client.meta.endpoint_url if is_custom(client) else None),
        region=location.region or client.meta.region_name,
        addressing=location.addressing or next((known for known in ADDRESSINGS if known == style), None),
        profile=None,
    )
