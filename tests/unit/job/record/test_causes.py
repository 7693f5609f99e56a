"""Causes for which an attempt ends."""

import json
from typing import get_args

import pytest

from infra.pods import Pod, PodState
from job.record.causes import OUTCOMES, Cause, OutcomeName, lost_in_words, stuck_in_words
from job.record.documents import Outcome, StopRequest


def test_each_cause_has_an_outcome_and_each_outcome_a_cause() -> None:
    assert set(OUTCOMES) == set(get_args(Cause))
    assert set(OUTCOMES.values()) == set(get_args(OutcomeName))


def test_an_outcome_follows_from_its_cause() -> None:
    outcome = Outcome.of("budget", "max_cost (2 USD) is spent", "agent")
    assert (outcome.outcome, outcome.cause, outcome.by) == ("expired", "budget", "agent")


def test_a_request_that_is_granted_keeps_its_cause() -> None:
    request = StopRequest(outcome="expired", cause="deadline", reason="max_hours is over", by="watchdog", time=1.0)
    granted = request.granted("agent")
    assert (granted.outcome, granted.cause, granted.reason, granted.by) == (
        "expired", "deadline", "max_hours is over", "agent",
    )  # fmt: skip


@pytest.mark.parametrize("cause", [None, "a cause of a newer version", 7])
def test_an_outcome_with_a_cause_that_is_not_known_can_be_read(cause: object) -> None:
    written = {"outcome": "failed", "cause": cause, "reason": "x", "by": "agent", "time": 1.0}
    assert Outcome.model_validate_json(json.dumps(written)).cause is None


def test_reasons_are_sentences() -> None:
    pod = Pod("p1", "n", "r", 1, "l", PodState.STARTING, 0.5, None, uptime=0.0, data_center="EU-1")
    assert stuck_in_words(pod, 901.4) == "stuck start: pod p1 in EU-1 has not begun to run in 901 s"
    assert lost_in_words([1, 3], 4, "was started again") == "a node was lost: node 1, 3 of 4 was started again"
