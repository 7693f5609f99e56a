"""Notifications of a run: a real server, a real record; servers that are dead, hang, refuse."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.webhook import SECRET, Hook, running_hook
from infra.store import Store, open_store
from job.errors import UsageError
from job.record.documents import Outcome
from job.run.cost import Amount, Money
from job.run.state import RunState
from job.spec.load import check_spec
from job.verdict.rows import Row
from job.verdict.signs import State, Verdict
from job.watch import webhook
from job.watch.notify import Notifier, due

RUN_ID = "speech-20250102-030405-00ff"
FIELDS = {
    *("version", "text", "run", "event", "state", "verdict", "reason", "attempt", "epoch", "step", "snr_db"),
    *("billing", "cost_usd", "saved_usd", "next", "time"),
}


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with running_hook() as hook:
        monkeypatch.setenv("MY_HOOK", hook.url)
        yield hook


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/{SECRET}"


def a_run(verdict: State = State.UNDECIDED, rows: int = 1, **changes: Any) -> RunState:
    notify = changes.pop("notify", {"webhook": "${MY_HOOK}"})
    row = Row(1, "validation", epoch=1, step=300, values={"snr_db": -1.5})
    nothing = Amount(None, "")
    state = RunState(
        run_id=RUN_ID,
        spec=check_spec({"name": "speech", "data": "/clips", "notify": notify}, "job.yaml"),
        submitted=1.0,
        attempt=1,
        state="training",
        billing="on",
        progress=None,
        rows=[row] * rows,
        verdict=Verdict(verdict, (), "SNR -1.5 dB: worse than silence"),
        outcome=None,
        pods=["pod-1"],
        money=Money(Amount(0.25, ""), nothing, nothing),
        next_step=f"codecjob logs {RUN_ID}",
    )
    return replace(state, **changes)


def aborted(**changes: Any) -> RunState:
    outcome = Outcome(outcome="aborted", reason="bad signs", by="agent", time=time.time())
    return a_run(State.BAD, state="aborted", billing="off", outcome=outcome, **changes)


def tell(store: Store, *looks: tuple[RunState, bool]) -> list[str]:
    """What a watcher with these looks has to say; the messages are sent on return."""
    said: list[str] = []
    notifier = Notifier(store, said.append)
    for state, ended in looks:
        notifier.see(state, ended)
    notifier.close()
    return said


def test_verdict_abort_and_end_are_posted_in_order_with_every_field(store: Store, hook: Hook) -> None:
    assert tell(store, (a_run(), False), (a_run(State.BAD), False), (aborted(), False), (aborted(), True)) == []
    assert [posted["event"] for posted in hook.posted] == ["verdict", "abort", "end"]
    for posted in hook.posted:
        assert set(posted) == FIELDS
    first, _, last = hook.posted
    assert (first["run"], first["verdict"], first["epoch"], first["snr_db"]) == (RUN_ID, "bad", 1, -1.5)
    assert first["reason"] == "SNR -1.5 dB: worse than silence"
    assert (last["reason"], last["cost_usd"], last["saved_usd"], last["billing"]) == ("bad signs", 0.25, None, "off")
    assert last["text"] == f"{RUN_ID}: aborted: bad signs"
    assert last["next"] == f"codecjob logs {RUN_ID}"


def test_watchers_at_once_and_later_send_each_message_once(tmp_path: Path, hook: Hook) -> None:
    def watch(_: int) -> list[str]:
        return tell(open_store(str(tmp_path / "store")), (a_run(State.BAD), False), (aborted(), True))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(watch, range(4))) == [[]] * 4
    assert watch(5) == []
    assert sorted(posted["event"] for posted in hook.posted) == ["abort", "end", "verdict"]


def test_a_resumed_run_tells_its_end_again(store: Store, hook: Hook) -> None:
    tell(store, (aborted(), True))
    tell(store, (aborted(attempt=2), True))
    assert [(posted["event"], posted["attempt"]) for posted in hook.posted] == [
        ("verdict", 1),
        ("abort", 1),
        ("end", 1),
        ("abort", 2),
        ("end", 2),
    ]


def test_a_watcher_that_has_read_less_has_no_new_verdict() -> None:
    told = {"verdict-0001": {"verdict": "good", "rows": 5}, "verdict-0002": {"verdict": "bad", "rows": 9}}
    assert list(due(a_run(State.GOOD, rows=7), False, told)) == []
    assert list(due(a_run(State.GOOD, rows=10), False, told)) == [("verdict", "verdict-0003")]
    assert list(due(a_run(State.BAD, rows=10), False, told)) == []


def test_a_reason_of_any_length_and_characters_is_told(store: Store, hook: Hook) -> None:
    odd = Outcome(outcome="failed", reason="\0\n\ud800" + "x" * 300_000, by="agent", time=1.0)
    assert tell(store, (a_run(outcome=odd, state="failed"), True)) == []
    assert [message["reason"] for message in hook.posted] == [odd.reason]


def test_a_dead_server_is_a_line_without_the_secret(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MY_HOOK", f"http://127.0.0.1:{unused.getsockname()[1]}/{SECRET}")
        said = tell(store, (a_run(State.BAD), False))
    assert said == [f"notify.webhook: {RUN_ID}: verdict was not told: Connection refused"]


def test_a_server_that_hangs_holds_nobody_up(store: Store, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_HOOK", silent)
    notifier = Notifier(store, lambda _: None)
    began = time.monotonic()
    notifier.see(aborted(), ended=True)
    assert time.monotonic() - began < 2  # only the thread waits
    assert webhook.post(silent, b"{}", seconds=0.3) == "no answer within 0.3 s"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_is_told_by_its_number_and_no_redirect_is_followed(status: int) -> None:
    with running_hook(status) as hook:
        assert webhook.post(hook.url, b"{}") == f"answered {status}"
        assert len(hook.posted) == 1


@pytest.mark.parametrize("value", [None, "", SECRET, f"ftp://host/{SECRET}", f"http://[{SECRET}"])
def test_a_variable_without_a_url_claims_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("MY_HOOK", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_HOOK", value)
    (said,) = tell(store, (aborted(), True))
    assert said.startswith("notify.webhook: ")
    assert "MY_HOOK" in said
    assert SECRET not in said
    assert list(store.list("runs/")) == []


def test_the_secret_is_not_in_the_record(store: Store, hook: Hook) -> None:
    tell(store, (aborted(), True))
    documents = [store.get(info.key).decode() for info in store.list("")]
    assert len(documents) == len(hook.posted) == 3
    assert not any(SECRET in document for document in documents)


def test_a_url_in_the_spec_is_refused_without_being_shown() -> None:
    with pytest.raises(UsageError) as refused:
        check_spec({"name": "a", "data": "b", "notify": {"webhook": f"https://host/{SECRET}"}}, "job.yaml")
    assert str(refused.value).startswith("job.yaml: notify.webhook: a webhook's URL is a secret")
    assert SECRET not in str(refused.value)
