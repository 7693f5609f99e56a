import json
from typing import Any

import pytest

from infra.store import Store
from job.errors import UsageError
from job.record.documents import Submission
from job.record.resolved_settings import Difference, differences, of_run, of_spec
from job.record.run import Run
from job.spec.model import JobSpec
from job.spec.trainer_plan import ask_trainer

CONFIG = dict(ask_trainer([]).config)


def spec(**train: Any) -> JobSpec:
    return JobSpec.model_validate({"name": "speech", "data": "/clips", "train": train})


def submitted(store: Store, number: int, train: dict[str, Any], **start: Any) -> Run:
    """A run, with the start row that the agent ships if it got so far."""
    run = Run(store, f"speech-20250102-030405-{number:04x}")
    run.create(Submission(submitted=1.0, dataset="d1", spec=spec(**train).model_dump(mode="json")))
    if start:
        row = json.dumps({"kind": "start", "step": 0, "epoch": 0, **start})
        run.attempt(1).add_segment("metrics", 1, row.encode() + b"\n")
    return run


def test_two_runs_differ_in_what_the_trainer_made_of_their_flags(store: Store) -> None:
    # The flag came through in one of them only.
    ours = submitted(store, 1, {"batch_size": 4}, config=CONFIG | {"batch_size": 4}, planned_steps=300)
    theirs = submitted(store, 2, {"batch_size": 4}, config=CONFIG | {"batch_size": 16}, planned_steps=56000)
    assert differences(of_run(ours), of_run(theirs)) == [
        Difference("train.batch_size", 4, 16),
        Difference("measured.planned_steps", 300, 56000),
    ]


def test_places_are_no_difference(store: Store) -> None:
    ours = submitted(store, 1, {}, config=CONFIG | {"checkpoint_dir": "/pods/1", "experiment_name": "a"})
    theirs = submitted(store, 2, {}, config=CONFIG | {"checkpoint_dir": "/pods/2", "experiment_name": "b"})
    assert differences(of_run(ours), of_run(theirs)) == []


def test_a_run_that_never_trained_is_resolved_from_its_flags(store: Store) -> None:
    ours = submitted(store, 1, {"strides": [2, 4]})
    assert of_run(ours).values["train.strides"] == [2, 4]
    assert of_run(ours).values["train.learning_rate"] == 3e-4


def test_a_run_against_a_spec(store: Store) -> None:
    run = of_run(submitted(store, 1, {}, config=CONFIG, parameters=35))
    wanted = spec(learning_rate=1e-3)
    same = of_spec("job.yaml", spec(), CONFIG, "d1")
    assert differences(run, same) == []
    changed = differences(run, of_spec("job.yaml", wanted, CONFIG | {"learning_rate": 1e-3}, "d2"))
    assert [str(item) for item in changed] == ["train.learning_rate 0.0003 -> 0.001", "dataset d1 -> d2"]


@pytest.mark.slow
def test_the_trainer_says_what_its_flags_mean() -> None:
    plan = ask_trainer(["--strides", "2,4", "--num_quantizers", "4"])
    assert (plan.hop, plan.bitrate_kbps) == (8, 80)
    with pytest.raises(UsageError, match="the trainer refuses its settings: --hidden_dim 33: must be divisible by 32"):
        ask_trainer(["--hidden_dim", "33"])
