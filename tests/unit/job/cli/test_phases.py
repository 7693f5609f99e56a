"""Which phase a state of a run is, and what is said of it."""

from dataclasses import replace
from typing import Any

import pytest

from infra.pods import Pod, PodState
from job.cli.phases import phase_of, planned_steps
from job.record.documents import Outcome, Progress
from job.run.cost import Amount, Money
from job.run.state import RunState
from job.spec.load import check_spec
from job.verdict.forecast import Forecast
from job.verdict.rows import Row
from job.verdict.signs import State, Verdict

NOW = 1_000_000.0
PAID = Amount(0.117, "0.69 USD/h x 0.17 h")


def row(kind: str, step: int, epoch: int, **values: float) -> Row:
    return Row(kind=kind, step=step, epoch=epoch, values={"time": NOW, **values}, attempt=1)


ROWS = [
    row("start", 0, 0, planned_steps=400, num_epochs=4),
    row("validation", 100, 1, loss=0.4, snr_db=6.21),
    row("train", 120, 1, loss=0.4321),
]


def pod(state: PodState, uptime: float | None, data_center: str = "EU-RO-1") -> Pod:
    return Pod("p1", "x", "a-1", 1, "l", state, 0.69, NOW - 90, uptime, data_center)


def state(name: str, **changes: Any) -> RunState:
    spec = check_spec({"name": "a", "data": "/c", "provider": "runpod", "image": "me/codec:1"}, "test")
    nothing = Amount(None, "")
    of = RunState(
        run_id="a-1", spec=spec, submitted=NOW, attempt=1, state=name, billing="on", progress=None, rows=[],
        verdict=Verdict(State.UNDECIDED, (), ""), outcome=None, pods=["p1"], money=Money(PAID, nothing, nothing),
        next_step="", gpu="NVIDIA RTX A4000", usd_per_hour=0.69, began=NOW - 95, epochs=4,
    )  # fmt: skip
    return replace(of, **changes)


@pytest.mark.parametrize(
    ("listed", "name", "said"),
    [
        ((), "launching", "the provider lists none yet"),
        ((pod(PodState.STARTING, 0.0),), "machine", "waiting for a machine: NVIDIA RTX A4000 in EU-RO-1"),
        ((pod(PodState.RUNNING, 0.0),), "image", "NVIDIA RTX A4000 in EU-RO-1: pulling the image, or starting"),
        ((pod(PodState.RUNNING, 12.0),), "agent", "its agent has not reported yet"),
        ((pod(PodState.RUNNING, None, ""),), "agent", "NVIDIA RTX A4000: the pod runs"),
        ((pod(PodState.EXITED, None),), "exited", "pod p1 has exited"),
    ],
)
def test_a_pod_that_does_not_report_yet(listed: tuple[Pod, ...], name: str, said: str) -> None:
    phase = phase_of(state("starting", listed=listed), NOW)
    assert phase.name == name
    assert said in phase.title
    assert phase.facts[0] == "1.6 min since the launch"
    assert "0.12 USD so far (0.69 USD/h x 0.17 h)" in phase.facts


def test_what_the_provider_says_of_the_pull_is_passed_on() -> None:
    phase = phase_of(state("starting", listed=(pod(PodState.RUNNING, 0.0),)), NOW, boot="layer 3 of 9")
    assert "the provider says: layer 3 of 9" in phase.facts
    assert "image me/codec:1" in phase.facts


def test_data_on_their_way_have_a_bar_a_rate_and_an_end() -> None:
    syncing = state("syncing", synced=(30_000_000, 90_000_000))
    phase = phase_of(syncing, NOW, rate=2e6)
    assert (phase.done, phase.total) == (30_000_000, 90_000_000)
    assert phase.facts[:3] == ("30.0 MB of 90.0 MB", "2.0 MB/s", "30 s left")
    assert phase_of(syncing, NOW).facts[0] == "30.0 MB of 90.0 MB"
    assert phase_of(state("syncing"), NOW).total == 0, "an older agent does not tell"


def test_training_tells_steps_epoch_quality_time_and_money() -> None:
    beat = Progress(step=130, epoch=1, phase="training", time=NOW)
    phase = phase_of(state("training", progress=beat, rows=ROWS, seconds_left=600.0), NOW)
    assert (phase.name, phase.done, phase.total) == ("training", 130, 400)
    assert phase.facts == (
        "epoch 1/4", "loss 0.432", "SNR 6.2 dB (epoch 1)", "UNDECIDED", "10.0 min left",
        "0.12 USD so far (0.69 USD/h x 0.17 h)",
    )  # fmt: skip
    saving = phase_of(state("training", progress=beat.model_copy(update={"phase": "saving"}), rows=ROWS), NOW)
    assert (saving.name, saving.title) == ("training", "saving"), "no new line for each"


def test_training_tells_what_to_expect_at_the_end() -> None:
    beat = Progress(step=130, epoch=1, phase="training", time=NOW)
    expected = Forecast("snr_db", 400, 8.44, 7.1, 9.62, 5.0, 0.97, None, True)
    phase = phase_of(state("training", progress=beat, rows=ROWS, forecast=expected), NOW)
    assert "SNR 8.4 dB at the end (7.1 to 9.6)" in phase.facts


def test_nothing_of_money_where_nothing_is_paid() -> None:
    free = state("training", usd_per_hour=0.0)
    assert phase_of(free, NOW).facts == ()
    assert phase_of(free, NOW).title == "starting the trainer"


def test_the_end_says_why() -> None:
    ending = Outcome(outcome="aborted", reason="snr_db is -3", by="agent", time=NOW)
    assert phase_of(state("stopping", outcome=ending), NOW).title == "stopping: snr_db is -3"
    assert phase_of(state("stopping"), NOW).title.startswith("stopping: saving")
    assert planned_steps([]) == 0
