"""A run in a store of its own is found again without naming the store."""

from pathlib import Path

import pytest

from infra.store import Store, open_store
from job.errors import UsageError
from job.paths import open_default_store
from job.record.find import NoSuchRunError
from job.record.run import Run
from job.record.run_index import MOST, elsewhere, locate, remember

OLD, NEW, NEWEST = (f"speech-20260101-00000{second}-0000" for second in (1, 2, 3))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store that is not the default one."""
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CODECJOB_STORE", raising=False)
    return open_store(str(tmp_path / "own"))


def submit(store: Store, run_id: str) -> Run:
    run = Run(store, run_id)
    store.put(f"runs/{run_id}/spec.json", b"{}")
    remember(run)
    return run


def found(wanted: str, store: str | None = None) -> tuple[str, str]:
    run = locate(wanted, store)
    return run.run_id, run.store.url


def test_a_run_is_found_by_its_name_and_by_the_beginning_of_it(own: Store) -> None:
    submit(own, NEW)
    assert found(NEW) == found("speech-2026") == found("@last") == (NEW, own.url)


def test_last_is_the_newest_wherever_it_is(own: Store) -> None:
    default = open_default_store()
    submit(own, OLD)
    submit(default, NEW)
    assert found("@last") == (NEW, default.url)
    submit(own, NEWEST)
    assert found("@last") == (NEWEST, own.url)


def test_the_default_store_comes_first(own: Store) -> None:
    default = open_default_store()
    submit(own, NEWEST)
    submit(default, OLD)
    assert found("speech") == (OLD, default.url)


def test_a_store_that_is_named_is_the_only_one(own: Store, tmp_path: Path) -> None:
    submit(own, NEW)
    assert found("@last", str(tmp_path / "own")) == (NEW, own.url)
    (tmp_path / "home" / "store").mkdir(parents=True, exist_ok=True)
    with pytest.raises(NoSuchRunError):
        locate("@last", str(tmp_path / "home" / "store"))


def test_two_that_fit_are_one_too_many(own: Store, tmp_path: Path) -> None:
    submit(own, OLD)
    submit(open_store(str(tmp_path / "third")), NEW)
    with pytest.raises(UsageError, match=f"means 2 runs in other stores, the newest {NEW}, {OLD}"):
        locate("speech")


def test_a_run_that_is_no_more_is_passed_over(own: Store) -> None:
    submit(own, OLD)
    submit(own, NEW)
    own.delete(f"runs/{NEW}/spec.json")
    assert found("@last") == (OLD, own.url)
    with pytest.raises(NoSuchRunError, match="no runs in"):
        locate(NEW)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"speech": 1'])
def test_a_damaged_memory_is_none(own: Store, tmp_path: Path, text: str) -> None:
    submit(own, NEW)
    (tmp_path / "home" / "known-runs.json").write_text(text)
    with pytest.raises(NoSuchRunError):
        locate("@last")
    submit(own, NEWEST)
    assert found("@last") == (NEWEST, own.url)


def test_a_home_that_cannot_be_written_does_not_matter(own: Store, tmp_path: Path) -> None:
    (tmp_path / "home").write_bytes(b"a file")
    remember(Run(own, NEW))


def test_the_memory_does_not_grow_for_ever(own: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST >= 100
    monkeypatch.setattr("job.record.run_index.MOST", 2)
    for run_id in (OLD, NEWEST, NEW):
        submit(own, run_id)
    assert list(elsewhere(open_default_store())) == [NEW, NEWEST]
