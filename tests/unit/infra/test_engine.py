import pytest

from infra.engine import EngineRefuses, host, is_local, registry, registry_error


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("codecjob", "docker.io"),
        ("me/codecjob:1", "docker.io"),
        ("docker.io/me/codecjob:1", "docker.io"),
        ("localhost/codecjob", "localhost"),
        ("127.0.0.1:5000/codecjob@sha256:ab", "127.0.0.1:5000"),
    ],
)
def test_the_registry_of_a_reference(reference: str, expected: str) -> None:
    assert registry(reference) == expected


@pytest.mark.parametrize(
    ("said", "refused", "words"),
    [
        ("pull access denied for me/x, repository does not exist", True, "docker login docker.io"),
        ("unauthorized: authentication required", True, "docker login docker.io"),
        ("no basic auth credentials", True, "docker login docker.io"),
        ("manifest for me/x:1 not found: manifest unknown", False, "there is no such image"),
        ("dial tcp: lookup registry.example: no route", False, "no answer from its registry"),
    ],
)
def test_a_registrys_refusal_says_what_to_do(said: str, refused: bool, words: str) -> None:
    error = registry_error("me/x:1", said)
    assert isinstance(error, EngineRefuses) is refused
    assert words in str(error)
    assert "\n" not in str(error)


def test_the_engine_is_the_one_of_docker_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert (host(), is_local()) == ("unix:///var/run/docker.sock", True)
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@gpu")
    assert (host(), is_local()) == ("ssh://me@gpu", False)
