import pytest

from infra.store import Store
from job.errors import CannotTellError
from job.record.documents import Beat, Claim, Outcome, StopRequest
from job.record.run import Run


def test_a_document_is_read_back_as_it_was_written(run: Run) -> None:
    attempt = run.attempt(1)
    claim = Claim(launch_id="a", pod_id="b", price_per_hour=0.5, time=2.0)
    request = StopRequest(outcome="stopped", reason="enough — బాగుంది", by="client", time=3.0)
    attempt.write_once("claim.json", claim)
    attempt.write("stop.json", request)
    attempt.write("alive.json", Beat(state="training", time=4.0))
    assert attempt.claim() == claim
    assert attempt.stop_request() == request
    assert attempt.beat() == Beat(state="training", time=4.0)


def test_fields_of_a_newer_version_are_left_alone(run: Run, store: Store) -> None:
    store.put(f"{run.attempt(1).prefix}/alive.json", b'{"state": "training", "time": 4.0, "mood": "fine"}')
    assert run.attempt(1).beat() == Beat(state="training", time=4.0)


@pytest.mark.parametrize("data", [b"", b'{"state": ', b'{"state": "training"}', b'{"state": "dancing", "time": 1}'])
def test_a_document_that_cannot_be_read_is_silence_of_a_pod_and_proves_nothing_of_a_client(
    run: Run, store: Store, data: bytes
) -> None:
    attempt = run.attempt(1)
    for name in ("alive", "progress", "outcome", "verdict"):
        store.put(f"{attempt.prefix}/{name}.json", data)
    assert (attempt.beat(), attempt.progress(), attempt.outcome()) == (None, None, None)
    store.put(attempt.key("claim.json"), data)
    with pytest.raises(CannotTellError, match=r"claim\.json cannot be read"):
        attempt.claim()


def test_an_outcome_takes_the_place_of_garbage_and_of_nothing_else(run: Run, store: Store) -> None:
    attempt = run.attempt(1)
    store.put(f"{attempt.prefix}/outcome.json", b"{")
    assert attempt.conclude(Outcome.of("lost", "gone", "watchdog"))
    assert not attempt.conclude(Outcome.of("deadline", "late", "watchdog"))
    outcome = attempt.outcome()
    assert outcome is not None
    assert outcome.reason == "gone"


def test_what_clients_alone_write_lies_outside_of_the_pods_part(run: Run) -> None:
    attempt = run.attempt(3)
    orders = [attempt.key(name) for name in ("intent.json", "claim.json", "stop.json")]
    assert [key.rpartition("/")[0] for key in orders] == [f"runs/{run.run_id}/orders/3"] * 3
    assert not any(key.startswith(f"{attempt.prefix}/") for key in orders)
