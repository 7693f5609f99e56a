"""The identity of a store: one id whatever its URL, a copy that is noticed, and whose pods are whose."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.pods import Pod, PodState
from infra.store import Store, open_store
from job.errors import CannotTellError, UsageError
from job.record import store_id


def pod(launch_id: str) -> Pod:
    return Pod("a", "pod", "run", 1, launch_id, PodState.RUNNING, 0.5, None)


def test_of_racing_clients_one_gives_the_store_its_id(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store_id.settle(open_store(str(tmp_path / "s"))), range(8)))
    assert len({identity.id for identity in found}) == 1


def test_a_copy_ends_nothing_until_a_person_confirms_it(store: Store, tmp_path: Path) -> None:
    identity = store_id.settle(store)
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    copy = open_store(str(tmp_path / "copy"))
    with pytest.raises(CannotTellError, match=r"codecjob doctor --confirm-store --store file:///.*/copy"):
        store_id.check_place(copy)
    with pytest.raises(UsageError, match="is known as"):
        store_id.settle(copy)
    assert store_id.confirm(copy).id == identity.id
    store_id.check_place(copy)
    store_id.check_place(open_store(str(tmp_path / "copy")))
    store_id.check_place(store)


def test_another_spelling_has_the_same_marks(store: Store, tmp_path: Path) -> None:
    store_id.settle(store)
    (tmp_path / "link").symlink_to(tmp_path / "store")
    assert store_id.marks_of(open_store(str(tmp_path / "link"))) == store_id.marks_of(store)


@pytest.mark.parametrize("more", ["?profile=work", "?region=eu-1", "?addressing=path&profile=work", ""])
def test_what_says_only_how_to_get_there_is_no_other_place(more: str) -> None:
    assert store_id.place_of(f"s3://bucket/lab{more}") == "s3://bucket/lab"
    assert store_id.place_of("s3://b/lab?endpoint=http://h&region=x") == "s3://b/lab?endpoint=http://h"


def test_another_store_at_the_same_url_has_other_pods(store: Store, tmp_path: Path) -> None:
    first = store_id.settle(store)
    shutil.rmtree(tmp_path / "store")
    other = open_store(str(tmp_path / "store"))
    second = store_id.settle(other)
    pods = [pod(f"{first.mark}-1"), pod(f"{second.mark}-1")]
    assert store_id.own_pods(other, pods) == pods[1:]


def test_pods_from_before_the_store_had_an_id_stay_its_own(store: Store) -> None:
    store.put("runs/a/spec.json", b"{}")
    before = store_id.marks_of(store)[0]
    store_id.settle(store)
    assert store_id.own_pods(store, [pod(f"{before}-1")]) != []


def test_a_store_from_which_nothing_was_started_has_nothing_to_confirm(store: Store) -> None:
    with pytest.raises(UsageError, match="nothing to confirm"):
        store_id.confirm(store)
