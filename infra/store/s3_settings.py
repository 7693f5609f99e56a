"""Which of AWS's settings are in effect, and where each comes from. Asks no server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError

from infra.store.base import StoreError
from infra.store.s3_client import is_custom
from infra.store.s3_errors import translate
from infra.store.s3_url import S3Location

URL = "the store's URL"
DEFAULT = "default"
PROFILE_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")  # in botocore's order
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGION_VARIABLE = "AWS_DEFAULT_REGION"
# They would ask the machine's own metadata service, which answers late where there is none.
ASKING = ("container-role", "iam-role")


@dataclass(frozen=True, slots=True)
class AwsSetting:
    """A value, None where there is none, and what set it. Of credentials only that there are some."""

    value: str | None
    source: str


def aws_settings(location: S3Location) -> dict[str, AwsSetting]:
    """Profile, region, endpoint and credentials that a client of this place would have.

    Raises `StoreError` where AWS's files and environment contradict each other or name what is not there.
    """
    session = botocore.session.Session(profile=location.profile)
    try:
        config = _path(session, "config_file")
        return {
            "profile": _profile(location),
            "region": _given(session.get_config_variable("region"), location.region, (REGION_VARIABLE,), config),
            "endpoint": _given(_endpoint(session, location), location.endpoint, ENDPOINT_VARIABLES, config),
            "credentials": _credentials(session, config),
        }
    except BotoCoreError as error:
        raise translate(error, "open", location) from error


def _profile(location: S3Location) -> AwsSetting:
    if location.profile:
        return AwsSetting(location.profile, URL)
    name = next((name for name in PROFILE_VARIABLES if os.environ.get(name)), None)
    return AwsSetting(os.environ[name], f"${name}") if name else AwsSetting("default", DEFAULT)


def _endpoint(session: botocore.session.Session, location: S3Location) -> str | None:
    """None for AWS's own."""
    try:
        # Keys that are given are not looked for, on no server either.
        client = boto3.session.Session(botocore_session=session).client(
            "s3",
            region_name=location.region,
            endpoint_url=location.endpoint,
            aws_access_key_id="-",
            aws_secret_access_key="-",
        )
    except ValueError:
        where = "AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or endpoint_url in AWS's config file"
        raise StoreError(f"the endpoint of s3:// stores is no URL; mend {where}") from None
    return client.meta.endpoint_url if is_custom(client) else None


def _given(value: str | None, in_url: str | None, variables: tuple[str, ...], config: str) -> AwsSetting:
    if in_url:
        return AwsSetting(in_url, URL)
    if value is None:
        return AwsSetting(None, f"{DEFAULT}: AWS's own")
    same = (name for name in variables if os.environ.get(name, "").rstrip("/") == value.rstrip("/"))
    name = next(same, None)
    return AwsSetting(value, f"${name}" if name else config)


def _credentials(session: botocore.session.Session, config: str) -> AwsSetting:
    resolver = session.get_component("credential_provider")
    for method in ASKING:
        resolver.remove(method)
    found = resolver.load_credentials()
    if found is None:
        return AwsSetting(None, f"neither in the environment nor in {config}; a machine's own role is not asked for")
    places = {
        "env": "$AWS_ACCESS_KEY_ID",
        "shared-credentials-file": _path(session, "credentials_file"),
        "config-file": config,
    }
    return AwsSetting("set", places.get(found.method, found.method))


def _path(session: botocore.session.Session, which: str) -> str:
    return str(Path(str(session.get_config_variable(which))).expanduser())
