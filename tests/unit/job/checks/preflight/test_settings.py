import time
from typing import Any

import pytest

from infra.store import Store
from job.checks.finding import Level
from job.checks.preflight.settings import (
    about_batch,
    about_declared,
    about_learning_rate,
    about_previous,
    find_previous,
)
from job.record.causes import OutcomeName
from job.record.documents import Outcome, Submission
from job.record.resolved_settings import of_spec
from job.record.run import Run
from job.spec.load import check_spec
from job.spec.model import JobSpec, TrainSpec
from job.spec.trainer_plan import ask_trainer

CONFIG = dict(ask_trainer([]).config)
SPEC = JobSpec.model_validate({"name": "speech", "data": "/clips"})


def ended(store: Store, name: str, outcome: OutcomeName) -> Run:
    run = Run(store, name)
    run.create(Submission(submitted=1.0, dataset="d1", spec=SPEC.model_dump(mode="json")))
    run.attempt(1).write_once("outcome.json", Outcome(outcome=outcome, reason="r", by="t", time=time.time()))
    return run


@pytest.mark.parametrize("train", [{}, {"strides": [2, 2, 2, 2, 5], "learning_rate": 3e-4, "device": "auto"}])
def test_settings_that_come_through_are_no_finding(train: dict[str, Any]) -> None:
    assert about_declared(TrainSpec.model_validate(train), CONFIG) == []


def test_a_default_that_wins_over_the_spec_is_an_error() -> None:
    findings = about_declared(TrainSpec.model_validate({"batch_size": 4, "strides": "2,4"}), CONFIG)
    assert [(finding.level, finding.message.partition(":")[0]) for finding in findings] == [
        (Level.ERROR, "train.batch_size is 4 in the spec, but the trainer would run with 16"),
        (Level.ERROR, "train.strides is [2, 4] in the spec, but the trainer would run with [2, 2, 2, 2, 5]"),
    ]


def test_a_learning_rate_that_is_a_slip() -> None:
    assert [finding.level for finding in about_learning_rate(3.0)] == [Level.WARNING]
    assert about_learning_rate(1e-3) == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"batch_size": 16}, None),
        ({"batch_size": 16, "gpu_count": 4, "nodes": 2}, None),
        ({"batch_size": 3, "gpu_count": 0, "nodes": 2}, "all 2 processes"),
        ({"batch_size": 12, "gpu_count": 4, "nodes": 2}, "must be divisible by 8, for example 16"),
        ({"batch_size": 2, "gpu_count": 8}, "for example 8"),
    ],
)
def test_the_batch_is_shared_by_all_processes(keys: dict[str, int], said: str | None) -> None:
    batch_size = keys.pop("batch_size")
    findings = about_batch(batch_size, check_spec({"name": "a", "data": "/clips", **keys}, "test"))
    assert [finding.level for finding in findings] == ([Level.ERROR] if said else [])
    assert said is None or said in str(findings[0])


def test_the_run_before_is_the_newest_of_the_same_name(store: Store) -> None:
    assert find_previous(store, "speech") is None
    ended(store, "speech-20250102-030405-0001", "failed")
    ended(store, "speech-20250103-030405-0001", "aborted")
    ended(store, "speech-two-20250104-030405-0001", "succeeded")
    previous = find_previous(store, "speech")
    assert previous is not None
    assert (previous.resolved.what, previous.outcome) == ("speech-20250103-030405-0001", "aborted")


@pytest.mark.parametrize(
    ("outcome", "dataset", "level", "said"),
    [
        ("aborted", "d1", Level.WARNING, "nothing has changed since speech-20250102-030405-0001, which was aborted"),
        ("succeeded", "d1", Level.NOTE, "the same settings and data as speech-20250102-030405-0001"),
        ("aborted", "d2", Level.NOTE, "changed since speech-20250102-030405-0001: dataset d1 -> d2"),
    ],
)
def test_what_has_changed(store: Store, outcome: OutcomeName, dataset: str, level: Level, said: str) -> None:
    ended(store, "speech-20250102-030405-0001", outcome)
    previous = find_previous(store, "speech")
    (finding,) = about_previous(of_spec("this spec", SPEC, CONFIG, dataset), previous)
    assert finding.level is level
    assert finding.message.startswith(said)


def test_a_first_run() -> None:
    (finding,) = about_previous(of_spec("this spec", SPEC, CONFIG, "d1"), None)
    assert (finding.level, finding.message) == (Level.NOTE, "no earlier run of this name in the store")
