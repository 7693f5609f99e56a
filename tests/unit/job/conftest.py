from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.pods import PROVIDERS, Provider, ProviderError, ProviderKind
from infra.pods.local import LocalProvider
from infra.store import Store, open_store
from job.record.documents import Submission
from job.record.run import Run


def not_played() -> Provider:
    raise ProviderError("provider p is only played where a test opens it")


@pytest.fixture(autouse=True)
def played_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Specs of these tests may name a paid provider "p", whose pods the tests play."""
    monkeypatch.setitem(PROVIDERS, "p", ProviderKind(not_played, "P", is_set_up=lambda: False))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def run(store: Store) -> Run:
    """A run that has been submitted and nothing more."""
    run = Run(store, "speech-20250102-030405-00ff")
    run.create(Submission(submitted=1.0, dataset="0123456789abcdef", spec={"name": "speech", "data": "/clips"}))
    return run


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[LocalProvider]:
    """Real pods, ended with the test."""
    provider = LocalProvider(tmp_path / "home")
    yield provider
    for pod in provider.find(None):
        provider.terminate(pod.id)
