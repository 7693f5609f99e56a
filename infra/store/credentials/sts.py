"""Sessions by AssumeRole: AWS, Ceph and MinIO."""

from __future__ import annotations

import os
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.store.base import StoreError, Unavailable
from infra.store.credentials.policy import session_policy
from infra.store.credentials.session import Grant, Session, SessionRefused
from infra.store.s3_client import CONNECT_SECONDS, SILENCE_SECONDS, is_custom, make_client, make_session
from infra.store.s3_errors import code_of, status_of, translate
from infra.store.s3_url import S3Location

SHORTEST_SECONDS = 900


def assume_role(location: S3Location, role: str, grant: Grant, seconds: float, name: str) -> Session:
    """A session of the role, cut down to the grant. `role` is its ARN, `name` goes into the server's audit log.

    AWS is asked at its own STS, any other server at the endpoint of the store, unless AWS_ENDPOINT_URL_STS names one.

    Raises:
        SessionRefused: the role, its trust or the wanted life do not allow it, or the server has no STS.
        StoreError: the server does not answer, or refuses the client's own credentials.
    """
    partition = role.split(":")[1] if role.count(":") >= 5 else "aws"
    policy = session_policy(location.bucket, location.prefix, grant, partition)
    wanted = max(SHORTEST_SECONDS, round(seconds))
    try:
        answer = _sts(location).assume_role(
            RoleArn=role, RoleSessionName=name[:64], DurationSeconds=wanted, Policy=policy
        )["Credentials"]
    except ClientError as error:
        raise _refusal(error, location, role, wanted) from error
    except BotoCoreError as error:
        raise translate(error, "get a session for", location) from error
    return Session(
        answer["AccessKeyId"],
        answer["SecretAccessKey"],
        answer["SessionToken"],
        answer["Expiration"].timestamp(),
    )


def _sts(location: S3Location) -> Any:
    store = make_client(location)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_STS") or (store.meta.endpoint_url if is_custom(store) else None)
    config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=SILENCE_SECONDS, retries={"mode": "standard"})
    return make_session(location).client(
        "sts", endpoint_url=endpoint, region_name=store.meta.region_name, config=config
    )


def _refusal(error: ClientError, location: S3Location, role: str, seconds: int) -> StoreError:
    # Ceph's answers have the code at another place than AWS's.
    code = code_of(error)
    code = str(error.response.get("Code", "")) if code in ("", "Unknown") else code
    status = status_of(error)
    too_long = code == "ValidationError" and "DurationSeconds" in str(error.response.get("Error", {}).get("Message"))
    if words := REFUSALS.get("InvalidArgument" if too_long else code):
        return SessionRefused(words.format(role=role, hours=f"{seconds / 3600:.3g}", url=location.url))
    if code in KNOWN_ELSEWHERE:
        return translate(error, "get a session for", location)
    if status >= 500 and status != 501:
        return Unavailable(f"cannot get a session for {location.url}: the server failed; try again later")
    return SessionRefused(
        f"{location.url}: the server gives no sessions by AssumeRole (status {status}); remove access.role "
        "and give the pod a restricted key"
    )


KNOWN_ELSEWHERE = ("InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidAccessKeyId")
_NOT_YOURS = (
    "these credentials may not assume {role}: its trust policy has to name their user, and that user needs "
    "sts:AssumeRole on it; or mend access.role"
)
_NO_ROLE = "there is no role {role}; mend access.role, or create it (infra/aws)"
REFUSALS = {
    "AccessDenied": _NOT_YOURS,
    "AccessDeniedException": _NOT_YOURS,
    "NoSuchEntity": _NO_ROLE,
    "NoSuchRole": _NO_ROLE,
    "PackedPolicyTooLarge": "the policy of a session is too long for {url}; choose a shorter prefix",
    "InvalidArgument": (
        "{role} gives no session of {hours} h: lower max_hours (`codecjob resume` starts a new session), or raise the "
        "role's maximum session duration, an hour if nobody has set it, 12 at most; a client that is itself in a role "
        "gets an hour at most"
    ),
}
