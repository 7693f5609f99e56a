from pathlib import Path

import pytest

from infra.store import Store
from job.errors import UsageError
from job.record.documents import Submission
from job.record.find import find_run, list_runs, new_run_id
from job.record.run import Run

OLDEST, MIDDLE, NEWEST = "zeta-20250101-000000-0000", "alpha-20250102-000000-0000", "alpha-20250102-000000-0001"


@pytest.fixture
def three_runs(store: Store) -> Store:
    for run_id in (NEWEST, OLDEST, MIDDLE):
        Run(store, run_id).create(Submission(submitted=1.0, dataset="d", spec={}))
    store.put("runs/readme/text", b"not a run")
    return store


def test_runs_are_listed_by_age_whatever_their_names(three_runs: Store) -> None:
    assert list_runs(three_runs) == [OLDEST, MIDDLE, NEWEST]


@pytest.mark.parametrize(
    ("wanted", "found"), [("z", OLDEST), (NEWEST, NEWEST), ("alpha-20250102-000000-0000", MIDDLE), ("@last", NEWEST)]
)
def test_a_run_is_found_by_an_unambiguous_prefix(three_runs: Store, wanted: str, found: str) -> None:
    assert find_run(three_runs, wanted).run_id == found


def test_a_name_that_is_another_ones_prefix_means_itself(store: Store) -> None:
    short, longer = "a-20250101-000000-0000", "a-20250101-000000-0000-20250101-000000-0000"
    for run_id in (short, longer):
        Run(store, run_id).create(Submission(submitted=1.0, dataset="d", spec={}))
    assert find_run(store, short).run_id == short


@pytest.mark.parametrize(
    ("wanted", "said"), [("beta", "no run 'beta'"), ("alpha", f"'alpha' means 2 runs, the newest {NEWEST}, {MIDDLE}")]
)
def test_a_run_that_is_none_or_several(three_runs: Store, wanted: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_run(three_runs, wanted)


def test_no_runs_at_all(store: Store, tmp_path: Path) -> None:
    assert list_runs(store) == []
    with pytest.raises(UsageError, match=r"no runs in .* yet: start one with"):
        find_run(store, "@last")


def test_runs_of_one_second_are_in_the_order_of_submission(store: Store) -> None:
    made = []
    for _ in range(20):
        made.append(new_run_id("speech"))
        Run(store, made[-1]).create(Submission(submitted=1.0, dataset="d", spec={}))
    assert list_runs(store) == made
