from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.pods.local import LocalProvider
from infra.store import Store, open_store
from job.record.run import Run, Submission


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
