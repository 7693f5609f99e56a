"""What an S3 server's refusals and a network's failures mean to the caller, in one line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from infra.store.base import AccessDenied, NotFound, StoreError, StoreFull, Unavailable
from infra.store.s3_answers import OddAnswerError
from infra.store.s3_url import S3Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEY = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, and that they belong to this endpoint"
_SESSION = "get new credentials: the session token is old or belongs to others"
_LATER = "try again later"
_REGION = "set the bucket's own region: ?region=... in the store's URL or AWS_REGION"


class DamagedError(Exception):
    """Other bytes came than were written, again and again."""


class NoMarksError(Exception):
    """The server has dropped an object's metadata, and without it nobody can tell whose object it is."""


# Code of the answer -> class, what it means, how to mend it.
CODES: dict[str, tuple[type[StoreError], str, str]] = {
    "NoSuchBucket": (StoreError, "there is no such bucket", "create the bucket or mend its name"),
    "InvalidBucketName": (StoreError, "no bucket can have this name", "mend the bucket's name"),
    "AccessDenied": (AccessDenied, "these credentials may not do that", "grant them the action"),
    "AllAccessDisabled": (AccessDenied, "the bucket is blocked", "ask its owner"),
    "AccountProblem": (AccessDenied, "the account is blocked", "ask the vendor"),
    "InvalidAccessKeyId": (AccessDenied, "the server does not know this access key", _KEY),
    "SignatureDoesNotMatch": (AccessDenied, "the secret does not match the access key", _KEY),
    "InvalidToken": (AccessDenied, "the session token is not valid", _SESSION),
    "InvalidClientTokenId": (AccessDenied, "the session token is not valid", _SESSION),
    "ExpiredToken": (AccessDenied, "the session has expired", _SESSION),
    "TokenRefreshRequired": (AccessDenied, "the session has expired", _SESSION),
    "RequestTimeTooSkewed": (StoreError, "this machine's clock differs from the server's", "set the clock"),
    "RequestExpired": (StoreError, "this machine's clock differs from the server's", "set the clock"),
    "AuthorizationHeaderMalformed": (StoreError, "the request is signed for another region", _REGION),
    "PermanentRedirect": (StoreError, "the bucket lies in another region", _REGION),
    "IllegalLocationConstraintException": (StoreError, "the bucket lies in another region", _REGION),
    "InvalidRegion": (StoreError, "the server has no such region", _REGION),
    "InvalidPart": (Unavailable, "a part of the upload is gone", _LATER),
    "NoSuchUpload": (Unavailable, "the upload is gone", _LATER),
    "PreconditionFailed": (Unavailable, "the object is being replaced", _LATER),
    "QuotaExceeded": (StoreFull, "the quota is used up", "remove objects or ask for a larger quota"),
    "InsufficientStorage": (StoreFull, "the server has no room left", "remove objects or ask its operator"),
    "XMinioStorageFull": (StoreFull, "the server has no room left", "remove objects or ask its operator"),
    "EntityTooLarge": (StoreError, "the object is larger than the server takes", "ask its operator for the limit"),
    "SlowDown": (Unavailable, "the server asks for fewer requests", _LATER),
    "Throttling": (Unavailable, "the server asks for fewer requests", _LATER),
    "ThrottlingException": (Unavailable, "the server asks for fewer requests", _LATER),
    "TooManyRequests": (Unavailable, "the server asks for fewer requests", _LATER),
    "RequestLimitExceeded": (Unavailable, "the server asks for fewer requests", _LATER),
    "RequestTimeout": (Unavailable, "the connection was too slow for the server", _LATER),
    "ConditionalRequestConflict": (Unavailable, "another writer is at it", _LATER),
    "OperationAborted": (Unavailable, "another writer is at it", _LATER),
    "NotImplemented": (StoreError, "the server does not know this call", "use a server that does"),
    "MethodNotAllowed": (StoreError, "the server does not know this call", "check that the endpoint speaks S3"),
    "InternalError": (Unavailable, "the server failed", _LATER),
    "ServiceUnavailable": (Unavailable, "the server is busy or down", _LATER),
}

# For codes that are not listed, and for answers to HEAD, which have none.
STATUSES: dict[int, tuple[type[StoreError], str, str]] = {
    301: CODES["PermanentRedirect"],
    401: CODES["AccessDenied"],
    403: CODES["AccessDenied"],
    405: CODES["MethodNotAllowed"],
    429: CODES["SlowDown"],
    501: CODES["NotImplemented"],
    507: CODES["InsufficientStorage"],
}

_ENDPOINT = "check the network, and the endpoint in the store's URL or in AWS_ENDPOINT_URL_S3"
_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_METADATA = "turn it on there (JuiceFS: --object-meta) or use another server, so that one writer wins"
_FILES = "mend AWS's config and credentials files, or the environment"

# The first class that fits decides.
FAILURES: list[tuple[type[Exception], type[StoreError], str, str]] = [
    (boto.ProfileNotFound, StoreError, "there is no such profile", "mend AWS_PROFILE or ?profile=..."),
    (boto.NoCredentialsError, AccessDenied, "no credentials were found", _CREDENTIALS),
    (boto.PartialCredentialsError, AccessDenied, "half of the credentials is missing", _CREDENTIALS),
    (boto.CredentialRetrievalError, AccessDenied, "the credentials could not be fetched", _FILES),
    (boto.SSOError, AccessDenied, "the sign-on has expired", "run `aws sso login`"),
    (boto.TokenRetrievalError, AccessDenied, "the sign-on has expired", "run `aws sso login`"),
    (boto.InvalidRegionError, StoreError, "the region is no region's name", _REGION),
    (boto.NoRegionError, StoreError, "no region is set", _REGION),
    (boto.ParamValidationError, StoreError, "no bucket can have this name", "mend the bucket's name"),
    (boto.ConnectTimeoutError, Unavailable, "no answer to the connection", _ENDPOINT),
    (boto.ReadTimeoutError, Unavailable, "the server fell silent", _LATER),
    (boto.ProxyConnectionError, Unavailable, "the proxy does not answer", "check HTTPS_PROXY and NO_PROXY"),
    (boto.EndpointConnectionError, Unavailable, "the endpoint cannot be reached", _ENDPOINT),
    (boto.IncompleteReadError, Unavailable, "the answer was cut off", _LATER),
    (boto.ResponseStreamingError, Unavailable, "the answer was cut off", _LATER),
    (boto.HTTPClientError, Unavailable, "the connection broke", _ENDPOINT),
    (boto.ConnectionError, Unavailable, "the connection broke", _ENDPOINT),
    (HTTPError, Unavailable, "the answer was cut off", _LATER),
    (NoMarksError, StoreError, "the server drops metadata (x-amz-meta-*)", _METADATA),
    (DamagedError, Unavailable, "other bytes come than were written", _LATER),
    (ResponseParserError, StoreError, "the answer is not S3's", "check that the endpoint speaks S3"),
    (BotoCoreError, StoreError, "AWS's settings cannot be used", _FILES),
]

# What a policy has to allow for a call, where it is not named like the call.
ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
}


@contextmanager
def explained(verb: str, location: S3Location, key: str) -> Iterator[None]:
    """Turn boto3's errors into the store's own. `key` is the store's key or prefix."""
    try:
        yield
    except OddAnswerError as error:
        attempt = _attempt(verb, location, key)
        raise StoreError(f"{attempt}: the answer lacks {error}; check that the endpoint speaks S3") from error
    except (ClientError, BotoCoreError, HTTPError, ResponseParserError, DamagedError, NoMarksError) as error:
        raise translate(error, verb, location, key) from error


def translate(error: Exception, verb: str, location: S3Location, key: str = "") -> StoreError:
    """The store's error for one of boto3's. Its words are ours: a server's may hold what is nobody's business."""
    if isinstance(error, ClientError):
        return _of_answer(error, verb, location, key)
    kind, words, mend = next(row[1:] for row in FAILURES if isinstance(error, row[0]))
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        kind, words, mend = StoreError, "its certificate is not trusted", "name its authority's file in AWS_CA_BUNDLE"
    return kind(f"{_attempt(verb, location, key)}: {words}; {mend}")


def code_of(error: ClientError) -> str:
    """The answer's code; where it has none (HEAD), its HTTP status as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The answer's HTTP status; 0 if there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_repeated(error: ClientError) -> bool:
    """Whether boto3 had sent the request more than once: the answer may be to its own first try."""
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0


def is_unknown_call(error: ClientError) -> bool:
    """Whether the server has no such call at all."""
    return status_of(error) in (405, 501) or code_of(error) in ("NotImplemented", "MethodNotAllowed")


def is_missing(client: S3Client, bucket: str, key: str, error: ClientError) -> bool:
    """Whether this answer to GET or HEAD means that there is no such object.

    AWS answers 403 instead of 404 to whoever may not list the whole bucket, and a pod's session may list its run only
    (AWS: "GetObject", permissions). A listing of that one key tells the two apart. Raises boto3's network errors; False
    where the listing is refused, too.
    """
    if status_of(error) != 403:
        return status_of(error) == 404 and code_of(error) in ("NoSuchKey", "404")
    try:
        page = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    except ClientError:
        return False
    return all(item["Key"] != key for item in page.get("Contents", []))


def _of_answer(error: ClientError, verb: str, location: S3Location, key: str) -> StoreError:
    code, status = code_of(error), status_of(error)
    attempt = _attempt(verb, location, key)
    if code == "NoSuchKey" or (status == 404 and error.operation_name in ("GetObject", "HeadObject") and code == "404"):
        return NotFound(f"no object {key} in store {location.url}")
    found = CODES.get(code) or STATUSES.get(status)
    if found is None and status >= 500:
        found = (Unavailable, "the server failed", _LATER)
    if found is None:
        return StoreError(f"{attempt}: the server refuses it ({_printable(code)}, status {status}); {_ENDPOINT}")
    kind, words, mend = found
    if mend == "grant them the action":
        action = ACTIONS.get(error.operation_name, f"s3:{error.operation_name}")
        mend = f"grant them {action} there, if they are the right ones"
    if mend == _REGION and (region := _region_of(error)):
        mend = f"{mend}; it says: {region}"
    return kind(f"{attempt}: {words} ({_printable(code)}); {mend}")


def _attempt(verb: str, location: S3Location, key: str) -> str:
    return f"cannot {verb} {key or 'objects'} in store {location.url}"


def _region_of(error: ClientError) -> str:
    body: dict[str, object] = dict(error.response.get("Error", {}))
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return _printable(str(body.get("Region") or headers.get("x-amz-bucket-region") or ""))


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isalnum() or char in "-._")[:60]
