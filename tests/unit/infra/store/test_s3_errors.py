import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from infra.store import AccessDenied, NotFound, StoreError, StoreFull, Unavailable
from infra.store.s3_errors import CODES, explained, translate
from infra.store.s3_url import parse_s3_url

PLACE = parse_s3_url("s3://bucket/prefix")


def answer(code: str, status: int, operation: str = "PutObject", **more: str) -> ClientError:
    error = {"Code": code, "Message": "hushhush\nof the server", **more}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (answer("NoSuchBucket", 404), StoreError, "there is no such bucket (NoSuchBucket); create the bucket"),
        (answer("AccessDenied", 403), AccessDenied, "grant them s3:PutObject there"),
        (answer("AccessDenied", 403, "UploadPart"), AccessDenied, "grant them s3:PutObject there"),
        (answer("AccessDenied", 403, "ListObjectsV2"), AccessDenied, "grant them s3:ListBucket there"),
        (answer("403", 403, "HeadObject"), AccessDenied, "grant them s3:GetObject there"),
        (answer("ExpiredToken", 400), AccessDenied, "the session has expired"),
        (answer("RequestTimeTooSkewed", 403), StoreError, "clock differs from the server's (RequestTimeTooSkewed)"),
        (answer("AuthorizationHeaderMalformed", 400, Region="eu-west-1"), StoreError, "AWS_REGION; it says: eu-west-1"),
        (answer("QuotaExceeded", 403), StoreFull, "the quota is used up"),
        (answer("SlowDown", 503), Unavailable, "asks for fewer requests"),
        (answer("Strange", 503), Unavailable, "the server failed"),
        (answer("Strange", 400), StoreError, "the server refuses it (Strange, status 400)"),
        (answer("NoSuchKey", 404, "GetObject"), NotFound, "no object runs/1 in store s3://bucket/prefix"),
        (answer("404", 404, "HeadObject"), NotFound, "no object runs/1"),
        (answer("404", 404, "ListObjectsV2"), StoreError, "the server refuses it"),
        (boto.NoCredentialsError(), AccessDenied, "no credentials were found"),
        (boto.ReadTimeoutError(endpoint_url="x"), Unavailable, "fell silent"),
        (boto.ConnectTimeoutError(endpoint_url="x"), Unavailable, "no answer to the connection"),
        (boto.ConnectionClosedError(endpoint_url="x"), Unavailable, "the connection broke"),
        (boto.SSLError(endpoint_url="x", error="EOF"), Unavailable, "the connection broke"),
        (boto.SSLError(endpoint_url="x", error="CERTIFICATE_VERIFY_FAILED"), StoreError, "not trusted"),
        (boto.ResponseStreamingError(error="x"), Unavailable, "the answer was cut off"),
        (ResponseParserError("<html>"), StoreError, "check that the endpoint speaks S3"),
        (boto.BotoCoreError(), StoreError, "AWS's settings cannot be used"),
    ],
)
def test_an_error_says_what_where_and_how_to_mend_it(error: Exception, kind: type[StoreError], words: str) -> None:
    said = translate(error, "write", PLACE, "runs/1")
    assert type(said) is kind
    assert words in str(said)
    assert "runs/1" in str(said)
    assert PLACE.url in str(said)
    assert "hushhush" not in str(said)
    assert "\n" not in str(said)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_listed_code_is_named(code: str) -> None:
    kind, words, _ = CODES[code]
    said = translate(answer(code, 400), "read", PLACE, "key")
    assert type(said) is kind
    assert f"{words} ({code})" in str(said)


def test_an_answer_that_is_no_xml_is_the_stores_error() -> None:
    with pytest.raises(StoreError, match="speaks S3"), explained("write", PLACE, "key"):
        raise ResponseParserError("<html>")


def test_what_is_not_the_servers_passes() -> None:
    with pytest.raises(FileNotFoundError), explained("write", PLACE, "key"):
        raise FileNotFoundError
