import pytest

from infra.store import Store
from job.errors import CannotTellError
from job.record.documents import Beat, Claim, StopRequest
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
def test_a_document_that_cannot_be_read_proves_nothing(run: Run, store: Store, data: bytes) -> None:
    store.put(f"{run.attempt(1).prefix}/alive.json", data)
    with pytest.raises(CannotTellError, match=r"alive\.json cannot be read"):
        run.attempt(1).beat()
