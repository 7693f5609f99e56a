"""Many runs: a broken one hides no other, and one that is paid for is never left out."""

import sys
import time
from pathlib import Path

import pytest

from fakes.records import add_run, rows, run_id
from infra.pods import LaunchRequest
from infra.pods.local import LocalProvider
from infra.store import Store, Unavailable
from job.record.judged_cache import Memory
from job.run.state import RunState, look
from job.watch import run_list
from job.watch.run_list import FIELDS, Listing, Overview, Unreadable, has_ended


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)


def take(store: Store, shown: int | None = 20) -> Overview:
    found = Overview(store, Memory(store), shown)
    found.take()
    return found


def test_the_newest_come_first_and_the_rest_is_counted(store: Store) -> None:
    for number in range(5):
        add_run(store, run_id(number), time.time(), rows() if number % 2 else b"", outcome="succeeded")
    found = Overview(store, Memory(store), 3)
    assert [entry.run_id for entry in found.take()] == [run_id(4), run_id(3), run_id(2)]
    assert found.older == 2
    every = Overview(store, Memory(store), None).take()
    assert [entry.run_id for entry in every] == [run_id(number) for number in range(4, -1, -1)]


@pytest.mark.slow
def test_an_older_run_that_is_paid_for_is_shown_too(store: Store, provider: LocalProvider) -> None:
    for number in range(4):
        add_run(store, run_id(number), time.time())
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    provider.launch(LaunchRequest("x", run_id(1), 1, "launch-1", command, {}))
    found = Overview(store, Memory(store), 1)
    old = found.take()[-1]
    assert isinstance(old, RunState)
    assert (old.run_id, old.billing, found.older) == (run_id(1), "on", 2)


@pytest.mark.slow
def test_a_broken_record_hides_no_other_and_says_what_is_broken(store: Store, provider: LocalProvider) -> None:
    for number in range(6):
        add_run(store, run_id(number), time.time(), rows())
    store.put(f"runs/{run_id(1)}/orders/1/claim.json", b'{"launch_id": "tr')
    store.put(f"runs/{run_id(2)}/spec.json", b'{"version": 7, "what": []}')
    store.put(f"runs/{run_id(3)}/spec.json", b'{"version": 1, "submitted": 1, "dataset": "d", "spec": {"nmae": "x"}}')
    store.delete(f"runs/{run_id(4)}/spec.json")
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    pod = provider.launch(LaunchRequest("x", run_id(2), 1, "launch-1", command, {})).id
    entries = {entry.run_id: entry for entry in Overview(store, Memory(store), None).take()}
    assert len(entries) == 6
    problems = {entry.run_id: entry for entry in entries.values() if isinstance(entry, Unreadable)}
    said = {1: "claim.json cannot be read", 2: "newer codecjob", 3: "nmae", 4: "spec.json cannot be read"}
    assert {run: words in problems[run_id(run)].problem for run, words in said.items()} == dict.fromkeys(said, True)
    assert (problems[run_id(2)].billing, problems[run_id(2)].pods) == ("on", [pod])
    assert problems[run_id(1)].billing == "unknown"
    assert all(has_ended(entry) for entry in problems.values()), "nothing to wait for"


def test_a_store_that_is_away_for_one_run_ends_no_watch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_run(store, run_id(0), time.time())

    def away(*_: object, **__: object) -> RunState:
        raise Unavailable("timeout")

    monkeypatch.setattr(run_list, "look", away)
    (entry,) = Overview(store, Memory(store), None).take()
    assert isinstance(entry, Unreadable)
    assert not has_ended(entry)


def test_a_defect_is_raised_and_does_not_look_like_a_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_run(store, run_id(0), time.time())
    monkeypatch.setattr(run_list, "look", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        take(store)


def test_both_kinds_of_entry_have_the_same_fields(store: Store, provider: LocalProvider) -> None:
    state = look(add_run(store, run_id(0), time.time(), rows()), provider)
    assert tuple(state.as_dict()) == FIELDS
    broken = Unreadable(run_id(1), "half of it").as_dict()
    assert tuple(broken) == FIELDS
    assert (broken["name"], broken["state"], broken["unreadable"]) == ("telugu-16khz", "unreadable", "half of it")


def test_a_provider_is_asked_once_for_all_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    whole = LocalProvider.find

    def find(self: LocalProvider, run: str | None) -> list[object]:
        asked.append(run)
        return whole(self, run)  # type: ignore[return-value]

    monkeypatch.setattr(LocalProvider, "find", find)
    for number in range(5):
        add_run(store, run_id(number), time.time())
    take(store)
    assert asked == [None]


@pytest.mark.slow
def test_a_pod_out_of_reach_makes_only_its_own_run_unknown(tmp_path: Path, provider: LocalProvider) -> None:
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    pod = provider.launch(LaunchRequest("x", run_id(0), 1, "launch-1", command, {})).id
    stranger = tmp_path / "home" / "pods" / "local-0123456789ab"
    stranger.mkdir()
    record = (tmp_path / "home" / "pods" / pod / "pod.json").read_text().replace(pod, stranger.name)
    record = record.replace(run_id(0), run_id(1)).replace('"machine_id": "', '"machine_id": "x')
    (stranger / "pod.json").write_text(record)
    listing = Listing("local")
    assert [pod.run_id for pod in listing.find(run_id(0))] == [run_id(0)]
    with pytest.raises(Exception, match="only that machine can tell"):
        listing.find(run_id(1))
    (stranger / "pod.json").unlink()
