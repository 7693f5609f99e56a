import pytest

from infra.store import StoreError
from infra.store.s3_url import S3Location, parse_s3_url

ENDPOINT = "https://s3.example.com:9000"


def test_everything_can_stand_in_the_url() -> None:
    url = f"s3://bucket/a/b?endpoint={ENDPOINT}&region=eu-central-1&addressing=path&profile=tests"
    assert parse_s3_url(url) == S3Location("bucket", "a/b/", ENDPOINT, "eu-central-1", "path", "tests")
    assert parse_s3_url(url).url == url


def test_nothing_but_the_bucket_has_to() -> None:
    assert parse_s3_url("s3://bucket") == parse_s3_url("s3://bucket/") == S3Location("bucket", "")
    assert parse_s3_url("s3://bucket/").url == "s3://bucket"


@pytest.mark.parametrize("prefix", ["a b", "a%b", "a?b#c", "తెలుగు", "a+b&c=d"])
def test_a_url_is_read_as_it_was_written(prefix: str) -> None:
    place = S3Location("bucket", f"{prefix}/", ENDPOINT, profile="a&b =c")
    assert parse_s3_url(place.url) == place
    assert place.url.isascii()
    assert " " not in place.url


def test_equal_places_have_equal_urls() -> None:
    spellings = ["s3://bucket/a%20b/?region=x&endpoint=https://h", "s3://bucket/a b?endpoint=https%3A%2F%2Fh/&region=x"]
    assert len({parse_s3_url(url).url for url in spellings}) == 1


@pytest.mark.parametrize("path", ["/storage/v1/s3", "/storage/v1/s3/", "/~user/s3-gateway_1.0"])
def test_an_endpoint_may_have_a_path(path: str) -> None:
    place = parse_s3_url(f"s3://bucket/a?endpoint={ENDPOINT}{path}")
    assert place.endpoint == f"{ENDPOINT}{path.rstrip('/')}"
    assert parse_s3_url(place.url) == place


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://key:SECRET@bucket/x", "holds no credentials"),
        ("s3://bucket?endpoint=https://key:SECRET@host", "holds no credentials"),
        ("s3://bucket?secret_key=SECRET", "unknown setting 'secret_key'"),
        ("s3://bucket?region=a&region=SECRET", "a setting twice"),
        ("s3://bucket?SECRET", "cannot be read"),
        ("s3://bucket?addressing=SECRET", "unknown addressing; known: path, virtual"),
        ("s3://bucket?endpoint=SECRET", "bad endpoint; write https://host"),
        ("s3://bucket?endpoint=https://host:SECRET", "bad endpoint"),
        ("s3://bucket?endpoint=https://host/a b/SECRET", "bad endpoint"),
        ("s3://bucket?endpoint=https://host//SECRET", "bad endpoint"),
        ("s3://bucket?endpoint=https://host/x%3FSECRET", "bad endpoint"),
        ('s3://bucket?endpoint="https://host/SECRET"', "bad endpoint"),
        ("s3://bucket#SECRET", "names no bucket"),
        ("s3:///SECRET", "names no bucket"),
        ("s3://", "names no bucket"),
        ("s3:/bucket", "names no bucket"),
        ("s3://a b/x", "names no bucket"),
        ("s3://[SECRET", "cannot be read"),
        ("s3://bucket/a/../b", "a prefix that cannot be kept"),
        ("s3://bucket/a//b", "a prefix that cannot be kept"),
    ],
)
def test_bad_urls_are_refused_without_their_secrets(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        parse_s3_url(url)
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)
