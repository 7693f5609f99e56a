"""A pod whose attempt is not its own goes, and soon."""

import time

import pytest

from job.pod import claim
from job.record.documents import Claim, Outcome
from job.record.run import Run
from job.run.pod_env import PodEnv

ENV = PodEnv("run", 1, "launch", "store", time.time() + 60, "pod", "docker", "/workspace")


def never() -> bool:
    return False


def test_the_claim_of_this_pod_lets_it_begin(run: Run) -> None:
    attempt = run.attempt(1)
    assert not claim.is_mine(attempt, ENV)
    attempt.write_once("claim.json", Claim(launch_id="launch", pod_id="pod", price_per_hour=0.0, time=1.0))
    claim.wait_for(attempt, ENV, never)


def test_another_pods_claim_is_not_this_ones(run: Run) -> None:
    attempt = run.attempt(1)
    attempt.write_once("claim.json", Claim(launch_id="launch", pod_id="other", price_per_hour=0.0, time=1.0))
    with pytest.raises(claim.NotMineError, match="names pod other"):
        claim.wait_for(attempt, ENV, never)


def test_an_attempt_that_is_over_is_nobodys(run: Run) -> None:
    attempt = run.attempt(1)
    attempt.write_once("claim.json", Claim(launch_id="launch", pod_id="pod", price_per_hour=0.0, time=1.0))
    attempt.write_once("outcome.json", Outcome(outcome="stopped", reason="x", by="client", time=1.0))
    with pytest.raises(claim.NotMineError, match="closed from outside"):
        claim.is_mine(attempt, ENV)


def test_whoever_is_told_to_end_does_not_wait_for_a_claim(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "CLAIM_SECONDS", 10_000)  # longer than a test may take
    with pytest.raises(claim.NotMineError, match="told to end"):
        claim.wait_for(run.attempt(1), ENV, lambda: True)
