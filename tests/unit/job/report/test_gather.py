"""What is read of a record, also of half a one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.rows import start, train, validation
from infra.store import Unavailable
from job.record.run import Run
from job.report.gather import gather
from job.verdict.signs import State

AddAttempt = Callable[..., None]


def test_a_run_that_was_resumed_has_its_hidden_rows_apart(run: Run, add_attempt: AddAttempt) -> None:
    add_attempt(1, [start(0, 1.0), validation(0, 0, -1.0), train(15, 0.5), validation(30, 1, 2.0)], "failed")
    add_attempt(2, [start(10, 2.0), validation(20, 1, 6.0)])
    facts = gather(run)
    assert facts.missing == ()
    assert [(row.step, row.kind) for row in facts.hidden] == [(15, "train"), (30, "validation")]
    assert [(row.step, row.get("snr_db")) for row in facts.validations()] == [(0, -1.0), (20, 6.0)]
    first, second = facts.attempts
    assert (first.rows, first.resumed_at, second.rows, second.resumed_at) == (4, 0, 2, 10)
    assert second.outcome is not None and second.outcome.outcome == "succeeded"
    assert facts.state is not None and facts.state.money.cost.usd == pytest.approx(0.2)
    assert [event["attempt"] for event in facts.events] == [1, 2]
    assert facts.start is not None and facts.start["step"] == 10


def test_a_run_without_an_attempt_is_a_run(run: Run) -> None:
    facts = gather(run)
    assert (facts.rows, facts.attempts, facts.events, facts.missing, facts.start) == ((), (), (), (), None)
    assert facts.verdict is not None and facts.verdict.verdict is State.UNDECIDED


def test_of_half_a_record_the_rest_is_read_and_what_is_missing_named(run: Run, add_attempt: AddAttempt) -> None:
    add_attempt(1, [start(0, 1.0), validation(20, 1, 6.0)])
    prefix = run.attempt(1).prefix
    run.store.put(f"{prefix.replace('attempts', 'orders')}/claim.json", b'{"launch_id": ')
    run.store.put(f"{prefix}/events/20250101T000000.000-aaaa.json", b'{"what": "ha')
    run.store.put(f"{prefix}/metrics/00000002", b'{"kind": "val\n[]\n' + b'{"kind": "validation", "step": 3')
    facts = gather(run)
    assert facts.state is None
    assert facts.attempts[0].claim is None and facts.attempts[0].outcome is not None
    assert facts.verdict is not None and len(facts.validations()) == 1
    lines, claim = sorted(facts.missing, key=lambda said: "lines" not in said)  # what a pod garbles is silence
    assert lines == "2 of the lines of rows are no JSON objects and are left out"
    assert "claim.json cannot be read" in claim


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "the record is not complete"),
        (b'{"version": 99, "submitted": 1.0, "dataset": "d", "spec": {}}', "newer codecjob"),
        (b'{"submitted": 1.0, "dataset": "d", "spec": {"name": "speech", "nmae": 1}}', "spec.json"),
    ],
)
def test_without_a_spec_that_can_be_read_rows_and_samples_still_are(
    run: Run, add_attempt: AddAttempt, add_sample: Callable[..., None], document: bytes | None, said: str
) -> None:
    add_attempt(1, [start(0, 1.0), validation(20, 1, 6.0)])
    add_sample(1, 1, 0, "decoded")
    key = f"runs/{run.run_id}/spec.json"
    run.store.delete(key) if document is None else run.store.put(key, document)
    facts = gather(run)
    assert (facts.spec, facts.state, facts.verdict) == (None, None, None)
    assert len(facts.validations()) == len(facts.samples.shown) == 1
    assert [said in line for line in facts.missing] == [True]


def test_without_a_key_of_the_provider_only_billing_is_unknown(
    run: Run, add_attempt: AddAttempt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    add_attempt(1, [start(0, 1.0), validation(20, 1, 6.0)])
    rented = run.submission().model_dump()
    rented["spec"]["provider"] = "runpod"
    run.store.put(f"runs/{run.run_id}/spec.json", json.dumps(rented).encode())
    state = gather(Run(run.store, run.run_id)).state
    assert state is not None
    assert (state.state, state.billing, state.money.cost.usd) == ("succeeded", "unknown", pytest.approx(0.1))
    assert "RUNPOD_API_KEY" in state.trouble


def test_a_store_that_does_not_answer_is_no_missing_part(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the store does not answer")

    monkeypatch.setattr(run.store, "folders", away)
    with pytest.raises(Unavailable):
        gather(run)
