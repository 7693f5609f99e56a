"""What preflight says of a pod's credentials; the real servers are in tests/integration/job/test_pod_access.py."""

import pytest

from job.checks.finding import Finding, Level
from job.checks.preflight.access import about_access
from job.run.store_access import KEY_VARIABLE, SECRET_VARIABLE
from job.spec.load import check_spec

URL = "s3://bucket/lab?endpoint=https://s3.example.com"


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY_VARIABLE, SECRET_VARIABLE, "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own-secret")


def look(provider: str, **access: object) -> list[Finding]:
    document = {"name": "speech", "data": "clips", "provider": provider, "access": access}
    return about_access(check_spec(document, "test"), URL)


def test_a_local_pod_is_no_matter() -> None:
    assert look("local") == []


def test_what_a_pod_gets_is_noted_and_what_it_can_reach_is_a_warning() -> None:
    noted, warned = look("docker")
    assert (noted.level, noted.message) == (Level.NOTE, "the pod reaches the store with: own key")
    assert (warned.level, warned.check) == (Level.WARNING, "access")
    assert "also delete" in warned.message


def test_a_pod_that_would_get_nothing_stops_the_run() -> None:
    (found,) = look("runpod")
    assert found.level is Level.ERROR
    assert "access.share_own_key: true" in found.message
    assert "own-secret" not in found.message
    assert [finding.level for finding in look("runpod", share_own_key=True)] == [Level.NOTE, Level.WARNING]
