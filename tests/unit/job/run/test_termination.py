"""Ending pods from outside: every one is tried, patiently, and what each printed is kept within bounds."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from infra.pods import CannotTell, Pod, PodState, ProviderError
from infra.store import Unavailable
from job.errors import CannotTellError
from job.record.attempt import Attempt
from job.record.documents import Beat, Claim
from job.record.run import Run
from job.run import termination


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.module = SimpleNamespace(
            time=self.read, monotonic=self.read, sleep=self.sleep, strftime=time.strftime, gmtime=time.gmtime
        )

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Provider:
    """Lists pods until they are terminated; some refuse, and each takes its time to go."""

    name, settle_seconds = "p", 10.0

    def __init__(self, clock: Clock, *pod_ids: str, refuses: str = "", takes: float = 0.0) -> None:
        self.clock, self.refuses, self.takes = clock, refuses, takes
        self.ends: dict[str, float] = dict.fromkeys(pod_ids, float("inf"))
        self.looks: list[float] = []
        self.printed: list[bytes] = []

    def find(self, run_id: str | None) -> list[Pod]:
        self.looks.append(self.clock.now)
        return [
            Pod(pod_id, "pod", "run", 1, "launch", PodState.RUNNING, 0.5, None)
            for pod_id, gone in self.ends.items()
            if self.clock.now < gone
        ]

    def terminate(self, pod_id: str) -> None:
        if pod_id == self.refuses:
            raise ProviderError(f"{pod_id} is locked")
        self.ends[pod_id] = self.clock.now + self.takes

    def logs(self, pod_id: str) -> Iterator[bytes]:
        return iter(self.printed)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(termination, "time", clock.module)
    return clock


@pytest.fixture
def attempt(run: Run) -> Attempt:
    attempt = run.attempt(1)
    attempt.write_once("claim.json", Claim(launch_id="launch", pod_id="a", price_per_hour=0.5, time=1.0))
    return attempt


def quiet(said: str) -> None:
    pass


def test_a_pod_that_refuses_to_end_does_not_keep_the_others(clock: Clock) -> None:
    provider: Any = Provider(clock, "a", "b", "c", refuses="a")
    with pytest.raises(ProviderError, match="a is locked"):
        termination.end_pods(provider, "run", ("a", "b", "c"))
    assert [pod.id for pod in provider.find(None)] == ["a"]


def test_pods_that_take_long_are_looked_for_less_and_less_often(clock: Clock) -> None:
    provider: Any = Provider(clock, "a", takes=50.0)
    assert termination.end_pods(provider, "run", ("a",))
    waited = [look - provider.looks[0] for look in provider.looks]
    assert sum(each < 2 for each in waited) >= 3, "what is gone at once is seen at once"
    assert len(waited) < 30, "each look is two calls of a quota"
    assert 50 < waited[-2] < 50 * 1.25


def test_an_agent_that_beats_is_given_its_time_with_few_looks(
    clock: Clock, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Attempt, "beat", lambda self: Beat.model_validate({"state": "stopping", "time": clock.now}))
    provider: Any = Provider(clock, "a")
    ended = termination.end(provider, attempt, "stop requested", "by hand", "client", quiet)
    assert ended.billing_off
    assert clock.now - 1000 > termination.AGENT_GRACE_SECONDS
    assert len(provider.looks) < 90


def test_a_store_that_goes_away_does_not_keep_a_pod_billed(
    clock: Clock, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = Attempt.note

    def lost(self: Attempt, what: str, by: str, **more: object) -> None:
        if what == "terminating":
            raise Unavailable("the store is away")
        note(self, what, by, **more)

    monkeypatch.setattr(Attempt, "note", lost)
    provider: Any = Provider(clock, "a")
    assert termination.end(provider, attempt, "stop requested", "by hand", "client", quiet, agent_grace=0.0).billing_off


def test_an_agent_that_was_asked_before_the_store_went_away_has_no_time_without_end(
    clock: Clock, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Attempt) -> Beat:
        raise Unavailable("the store is away")

    monkeypatch.setattr(Attempt, "beat", away)
    provider: Any = Provider(clock, "a")
    assert termination.end(provider, attempt, "stop requested", "by hand", "client", quiet).billing_off
    assert clock.now - 1000 < 2 * termination.SILENT_AGENT_SECONDS


def test_an_end_that_cannot_be_recorded_says_that_billing_is_off(
    clock: Clock, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Attempt, name: str, document: object) -> bool:
        raise Unavailable("the store is away")

    monkeypatch.setattr(Attempt, "write_once", away)
    provider: Any = Provider(clock, "a")
    with pytest.raises(termination.NotRecordedError, match=r"billing is off, but .* the store is away"):
        termination.end(provider, attempt, "stop requested", "by hand", "client", quiet, agent_grace=0.0)
    assert provider.find(None) == []


@pytest.mark.parametrize("ahead", [90.0, -90.0, 86_400.0, -7_200.0])
@pytest.mark.parametrize("ends", ["stop", "resume, reconcile"])
def test_a_beat_that_changes_is_life_whatever_the_clock_of_this_machine_says(
    clock: Clock, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, ahead: float, ends: str
) -> None:
    def beat(self: Attempt) -> Beat:
        return Beat(state="training", time=(clock.now - ahead) // 2 * 2)  # of a pod with the right time

    monkeypatch.setattr(Attempt, "beat", beat)
    provider: Any = Provider(clock)  # lists no pod: it is another account's
    with pytest.raises(CannotTellError, match="its agent still beats"):
        if ends == "stop":
            termination.end(provider, attempt, "stop requested", "by hand", "client", quiet)
        else:
            termination.close_if_lost(provider, attempt, "client")
    assert attempt.outcome() is None
    assert attempt.stop_request() is None


def claimed_by(attempt: Attempt, account: str | None) -> None:
    attempt.store.delete(f"runs/{attempt.run_id}/orders/{attempt.number}/claim.json")
    now = time.time()
    attempt.write_once("claim.json", Claim(launch_id="l", pod_id="a", price_per_hour=0.5, account=account, time=now))


@pytest.mark.parametrize(
    ("claimed", "asked", "said"),
    [("me", "you", "was started by the account me"), (None, "you", "may still be starting"), ("me", None, "starting")],
)
def test_only_the_account_that_launched_a_pod_can_say_that_it_is_gone(
    attempt: Attempt, claimed: str | None, asked: str | None, said: str
) -> None:
    claimed_by(attempt, claimed)
    provider: Any = Provider(Clock())
    provider.settle_seconds, provider.account = 0.0, lambda: asked
    for ends in (
        lambda: termination.end(provider, attempt, "stop requested", "by hand", "client", quiet),
        lambda: termination.close_if_lost(provider, attempt, "client"),
    ):
        with pytest.raises((CannotTellError, CannotTell), match=said):
            ends()
    assert attempt.outcome() is None


def test_the_account_that_launched_a_pod_can_say_at_once_that_it_is_gone(attempt: Attempt) -> None:
    claimed_by(attempt, "me")
    provider: Any = Provider(Clock())
    provider.settle_seconds, provider.account = 0.0, lambda: "me"
    outcome = termination.close_if_lost(provider, attempt, "client")
    assert outcome is not None
    assert outcome.cause == "lost"


def test_of_what_a_pod_printed_the_end_is_kept(clock: Clock, attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "LAST_WORDS_BYTES", 20)
    provider: Any = Provider(clock)
    provider.printed = [b"much too much\n"] * 5 + [b"error: the end\n"]
    termination.close_if_lost(provider, attempt, "client")
    (kept,) = [piece for _, piece in attempt.segments("log")]
    assert kept.endswith(b"error: the end\n")
    assert len(kept) < 60
