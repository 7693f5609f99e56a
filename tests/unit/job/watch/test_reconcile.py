import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from helpers import event_names
from infra.pods import Pod, PodState, Transient
from infra.store import Store
from job.cli import orphan_notice
from job.errors import CannotTellError
from job.record.documents import Beat, Claim, Intent, Outcome
from job.record.run import Run
from job.run import termination
from job.run.launch import store_mark
from job.run.seen import AttemptFacts
from job.watch import reconcile
from job.watch.reconcile import Entry, Kind, classify

NOW = 1_000_000.0
MARK = "0123abcd"
LAUNCH = f"{MARK}-launch"
INTENT = Intent(launch_id=LAUNCH, pod_name="pod", deadline=NOW + 3600, time=NOW)
CLAIM = Claim(launch_id=f"{LAUNCH}-1", pod_id="mine", price_per_hour=1.0, time=NOW)
ENDED = Outcome(outcome="failed", reason="x", by="agent", time=NOW)


def pod(age: float | None = 0.0, **changes: Any) -> Pod:
    created = None if age is None else NOW - age
    return replace(Pod("mine", "name", "run", 1, f"{LAUNCH}-1", PodState.RUNNING, 0.5, created), **changes)


def facts(**changes: Any) -> AttemptFacts:
    return replace(AttemptFacts(1, INTENT, CLAIM, None), **changes)


@pytest.mark.parametrize(
    ("listed", "known", "kind"),
    [
        (pod(9999), facts(), Kind.TRACKED),
        (pod(9999, launch_id="ffff0000-launch-1"), None, Kind.FOREIGN),
        (pod(9999, launch_id="ffff0000-launch-1"), facts(), Kind.FOREIGN),
        (pod(10), facts(claim=None), Kind.TRACKED),
        (pod(60), facts(claim=None), Kind.ADOPTED),
        (pod(None), facts(claim=None), Kind.ADOPTED),
        (pod(60), facts(claim=None, intent=None), Kind.TRACKED),
        (pod(60, launch_id=f"{MARK}-other-1"), facts(claim=None), Kind.TRACKED),
        (pod(400), facts(claim=None), Kind.ORPHANED),
        (pod(60, id="other"), facts(), Kind.TRACKED),
        (pod(400, id="other"), facts(), Kind.ORPHANED),
        (pod(9999), facts(outcome=ENDED), Kind.TRACKED),
        (pod(9999), facts(outcome=ENDED.model_copy(update={"time": NOW - 400})), Kind.ORPHANED),
        (pod(60), None, Kind.TRACKED),
        (pod(400), None, Kind.ORPHANED),
        (pod(None), None, Kind.TRACKED),
    ],
)
def test_every_pod_is_of_one_kind(listed: Pod, known: AttemptFacts | None, kind: Kind) -> None:
    assert classify(listed, "p", MARK, known, NOW).kind is kind


class Listing:
    """A provider that lists what it is told, answers wrongly when told, and remembers what it ended."""

    name, settle_seconds = "p", 0.0

    def __init__(self, *pods: Pod) -> None:
        self.pods = list(pods)
        self.trouble: Exception | None = None

    def find(self, run_id: str | None) -> list[Pod]:
        if self.trouble:
            raise self.trouble
        return [pod for pod in self.pods if run_id in (None, pod.run_id)]

    def terminate(self, pod_id: str) -> None:
        self.pods = [pod for pod in self.pods if pod.id != pod_id]

    def logs(self, pod_id: str) -> list[bytes]:
        return []


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(termination, "BEAT_AGAIN_SECONDS", 0.0)


def waiting(run: Run) -> Pod:
    """A pod of a run whose client has died between launch and claim."""
    launch_id = f"{store_mark(run.store)}-launch"
    run.attempt(1).write_once("intent.json", INTENT.model_copy(update={"launch_id": launch_id}))
    return pod(run_id=run.run_id, launch_id=f"{launch_id}-1", created=time.time() - 60)


def survey(store: Store, provider: Any, now: float | None = None) -> list[Entry]:
    return reconcile.survey_pods(store, provider, provider.find(None), now or time.time())


def test_a_waiting_pod_is_adopted_once(run: Run) -> None:
    provider: Any = Listing(waiting(run))
    (entry,) = survey(run.store, provider)
    assert entry.kind is Kind.ADOPTED
    assert reconcile.adopt(run.store, provider, entry, "client")
    assert reconcile.adopt(run.store, provider, entry, "client")
    claim = run.attempt(1).claim()
    assert claim is not None
    assert (claim.pod_id, claim.launch_id, claim.price_per_hour) == ("mine", provider.pods[0].launch_id, 0.5)
    assert survey(run.store, provider)[0].kind is Kind.TRACKED
    assert event_names(run.attempt(1)) == ["adopted"]


def test_nothing_is_adopted_for_a_closed_attempt_or_beside_a_second_pod(run: Run) -> None:
    provider: Any = Listing(waiting(run))
    (entry,) = survey(run.store, provider)
    provider.pods.append(replace(provider.pods[0], id="twin"))
    assert not reconcile.adopt(run.store, provider, entry, "client")
    provider.pods.pop()
    run.attempt(1).write_once("outcome.json", ENDED)
    assert not reconcile.adopt(run.store, provider, entry, "client")
    assert run.attempt(1).claim() is None


def test_an_orphan_is_ended_only_when_every_look_finds_it(run: Run) -> None:
    provider: Any = Listing(replace(waiting(run), run_id="gone-20260101-000000-0000", created=time.time() - 400))
    suspects = survey(run.store, provider)
    assert [entry.kind for entry in suspects] == [Kind.ORPHANED]
    assert reconcile.still_orphaned(run.store, provider, suspects, time.time) == suspects
    provider.trouble = Transient("down")
    assert reconcile.still_orphaned(run.store, provider, suspects, time.time) == []
    provider.trouble = None
    assert reconcile.end_orphan(run.store, provider, suspects[0], "client")
    assert provider.pods == []
    assert len(list(run.store.list("watchdog/events/"))) == 1


def test_what_a_pod_left_of_a_removed_record_does_not_make_the_pod_the_stores(run: Run) -> None:
    left = "left-20260101-000000-0000"
    run.store.put(f"runs/{left}/attempts/1/alive.json", b"{")
    provider: Any = Listing(replace(waiting(run), run_id=left, created=time.time() - 400))
    assert [(entry.kind, entry.unknown_run) for entry in survey(run.store, provider)] == [(Kind.ORPHANED, True)]


def test_a_store_without_runs_condemns_nothing(store: Store) -> None:
    provider: Any = Listing(pod(400, launch_id=f"{store_mark(store)}-1"))
    assert survey(store, provider) == []


def test_a_run_whose_pod_is_gone_has_vanished_unless_its_agent_beats(run: Run) -> None:
    provider: Any = Listing()
    run.attempt(1).write_once("claim.json", CLAIM.model_copy(update={"time": 1.0}))
    (entry,) = reconcile.survey_runs(run.store, provider, [], [run.run_id], time.time())
    assert entry.kind is Kind.VANISHED
    beats = iter(range(9))

    class Beating(Listing):
        def find(self, run_id: str | None) -> list[Pod]:
            return []

    def beat(*_: Any) -> Beat:
        return Beat(state="training", time=time.time() + next(beats))

    with pytest.MonkeyPatch.context() as patch, pytest.raises(CannotTellError):
        patch.setattr("job.record.attempt.Attempt.beat", beat)
        reconcile.close_vanished(run.store, Beating(), entry, "client")
    assert run.attempt(1).outcome() is None
    assert reconcile.close_vanished(run.store, provider, entry, "client")
    assert run.attempt(1).outcome() is not None
    assert reconcile.survey_runs(run.store, provider, [], [run.run_id], time.time()) == []


def test_the_notice_tells_of_orphans_and_is_silent_without_an_answer(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    orphan = replace(waiting(run), created=time.time() - 400)
    provider: Any = Listing(orphan, pod(9999, launch_id="ffff0000-1"))
    orphan_notice.Notice(run.store, provider).show()
    said = capsys.readouterr().err
    assert said == (
        "warning: billed, and no record owns it: p mine (0.50 USD/h): `codecjob reconcile --terminate` ends it\n"
    )
    provider.trouble = Transient("down")
    orphan_notice.Notice(run.store, provider).show()
    assert capsys.readouterr().err == ""


def test_the_notice_keeps_nobody_waiting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphan_notice, "WAIT_SECONDS", 0.1)

    shown = threading.Event()

    class Slow(Listing):
        def find(self, run_id: str | None) -> list[Pod]:
            shown.wait(10_000)  # longer than a test may take
            return []

    slow: Any = Slow()
    orphan_notice.Notice(run.store, slow).show()
    shown.set()
