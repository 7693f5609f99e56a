"""Ending a run whose record cannot be reached, over real pods: which run is meant, and that no other is touched."""

import sys
from pathlib import Path

import pytest

from infra.pods import LaunchRequest, Pod
from infra.pods.local import LocalProvider
from infra.store import open_store
from job.errors import UsageError
from job.record.run import Run
from job.record.run_index import remember
from job.record.store_id import mark_of
from job.watch import stop_without_record

STORE = "s3://bucket/nowhere"
OTHERS = "s3://bucket/others"
SLEEP = (sys.executable, "-c", "import time; time.sleep(300)")
FIRST, SECOND = "one-20260101-000000-0000", "two-20260101-000000-0000"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(stop_without_record, "PROVIDERS", ("local",))
    return tmp_path / "home"


def pod(provider: LocalProvider, run_id: str, url: str = STORE) -> Pod:
    return provider.launch(LaunchRequest("pod", run_id, 1, f"{mark_of(url)}-1", SLEEP, {}))


def quiet(said: str) -> None:
    pass


@pytest.mark.slow
def test_all_pods_of_the_run_that_is_meant_are_ended_and_no_others(provider: LocalProvider) -> None:
    pod(provider, FIRST)
    pod(provider, FIRST)
    kept = [pod(provider, SECOND), pod(provider, FIRST, OTHERS)]
    seen = stop_without_record.look([STORE])
    assert seen.run("one", known=()) == FIRST
    assert seen.run(FIRST, known=["one-20270101-000000-0000"]) == FIRST
    assert stop_without_record.end(seen, FIRST, quiet)
    assert [listed.id for listed in provider.find(None)] == [each.id for each in kept]


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["@last", "one"])
def test_what_may_mean_another_run_is_not_guessed(provider: LocalProvider, wanted: str) -> None:
    pod(provider, FIRST)
    with pytest.raises(UsageError, match=f"write the whole name. The providers list pods of {FIRST}"):
        stop_without_record.look([STORE]).run(wanted, known=["one-20270101-000000-0000"])


@pytest.mark.slow
def test_a_run_without_a_pod_is_nobodys(provider: LocalProvider) -> None:
    pod(provider, FIRST)
    assert stop_without_record.look([STORE]).run("two", known=[SECOND]) is None
    assert stop_without_record.look([OTHERS]).run("@last", known=[SECOND]) is None


def test_a_provider_that_gives_no_answer_is_told_of(home: Path) -> None:
    (home / "pods" / "local-000000000000").mkdir(parents=True)
    (home / "pods" / "local-000000000000" / "pod.json").write_text("{")
    assert list(stop_without_record.look([STORE]).silent) == ["local"]


def test_the_stores_of_remembered_runs_are_looked_at_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default, other = open_store(str(tmp_path / "default")), open_store(str(tmp_path / "other"))
    monkeypatch.setenv("CODECJOB_STORE", default.url)
    remember(Run(other, FIRST))
    assert stop_without_record.stores(None) == {default.url: [], other.url: [FIRST]}
    assert stop_without_record.stores(other.url) == {other.url: [FIRST]}
    assert stop_without_record.stores(default.url) == {default.url: []}
    monkeypatch.setenv("CODECJOB_STORE", "gopher://nowhere")
    assert stop_without_record.stores(None) == {other.url: [FIRST]}
