import pytest

from infra.registry import ImageMissing, NoAnswer
from infra.registry.base import is_loopback, parse
from infra.registry.client import Visit

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("reference", "host", "repository", "version"),
    [
        ("codecjob", "docker.io", "library/codecjob", "latest"),
        ("me/codecjob:1", "docker.io", "me/codecjob", "1"),
        ("docker.io/codecjob", "docker.io", "library/codecjob", "latest"),
        ("index.docker.io/me/codecjob", "docker.io", "me/codecjob", "latest"),
        (f"ghcr.io/me/deep/codecjob@{DIGEST}", "ghcr.io", "me/deep/codecjob", DIGEST),
        (f"ghcr.io/me/codecjob:1@{DIGEST}", "ghcr.io", "me/codecjob", DIGEST),
        ("127.0.0.1:5000/codecjob", "127.0.0.1:5000", "codecjob", "latest"),
        ("localhost/codecjob:1", "localhost", "codecjob", "1"),
    ],
)
def test_a_reference_taken_apart(reference: str, host: str, repository: str, version: str) -> None:
    found = parse(reference)
    assert (found.host, found.repository, found.version) == (host, repository, version)


@pytest.mark.parametrize(
    "reference", ["Me/Codecjob", "me/codecjob:", "me/codecjob@sha256:ab", "me//codecjob", "https://ghcr.io/me/x", "a b"]
)
def test_what_is_no_reference(reference: str) -> None:
    with pytest.raises(ImageMissing, match="is not a reference such as"):
        parse(reference)


def test_only_this_machine_is_spoken_to_in_the_clear() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1:5000", "localhost", "[::1]:5000")] == [True] * 3
    for host in ("ghcr.io", "10.0.0.1:5000", "localhost.example.com", "127.0.0.1@example.com"):
        assert not is_loopback(host)
    visit = Visit(parse("ghcr.io/me/codecjob:1"), 0.0, {"username": "me", "password": "geheim"})
    with pytest.raises(NoAnswer, match="not https"):
        visit._authorize('Bearer realm="http://ghcr.io/token",service="ghcr.io"')
    assert "geheim" not in repr(visit)
