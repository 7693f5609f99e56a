import math
from typing import Any

import pytest

from job.verdict.checklist import evaluate
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row
from job.verdict.signs import Severity, State, Verdict


def train(step: int, **values: float) -> Row:
    """A healthy row, but for what the test says. Losses are written in full, as the trainer does."""
    loss = 0.09 / (1 + step / 100) + 0.01 * math.sin(step) ** 2
    return Row(1, "train", step, 0, {"time": 0.1 * step, "loss": loss, "grad_norm": 0.5, "lr": 3e-4, **values})


def start(step: int = 0, attempt: int = 1, device: str = "cpu", **values: float) -> Row:
    return Row(attempt, "start", step, 0, values, device=device)


BASELINE = Row(1, "validation", 0, 0, {"loss": 0.0868061621, "snr_db": 0.0})


def judge(*rows: Row, **causes: Any) -> Verdict:
    return evaluate(rows, Checklist.model_validate({"causes": causes}))


def bad_signs(*rows: Row, **causes: Any) -> list[str]:
    return [sign.sign for sign in judge(*rows, **causes).signs if sign.state is State.BAD]


def warnings(verdict: Verdict) -> list[str]:
    return [sign.sign for sign in verdict.signs if sign.severity is Severity.WARNING]


HEALTHY = [train(step) for step in range(1, 400, 7)]


def test_a_healthy_run_shows_nothing() -> None:
    verdict = judge(start(), BASELINE, *HEALTHY)
    assert (verdict.verdict, warnings(verdict)) == (State.UNDECIDED, [])


# A loss or gradient that explodes.


def test_a_loss_that_explodes_is_bad_in_the_third_row() -> None:
    rows = [BASELINE, train(6, loss=5.9e9), train(14, loss=6.3e21), train(20, loss=6.34e21)]
    assert judge(*rows[:3]).verdict is State.UNDECIDED
    verdict = judge(*rows)
    assert [sign.sign for sign in verdict.signs] == ["exploding_loss"]
    assert "exploded" in verdict.summary
    assert "try a third" in verdict.summary


def test_one_wild_row_is_no_explosion() -> None:
    rows = [train(10), train(20, loss=1e9), train(30, loss=1e9), train(40), train(50, loss=1e9), train(60, loss=1e9)]
    assert judge(BASELINE, *rows).verdict is State.UNDECIDED


def test_a_commitment_error_that_grows_150_fold_is_no_explosion() -> None:
    rows = [
        train(20 + step, loss=0.002 * 150 ** (step / 80) + 0.08, vq=0.002 * 150 ** (step / 80)) for step in range(81)
    ]
    assert judge(BASELINE, *rows).verdict is State.UNDECIDED


def test_a_loss_of_another_scale_is_no_explosion() -> None:
    assert judge(*(train(step, loss=4e4 / step) for step in range(1, 50))).verdict is State.UNDECIDED


def test_the_total_of_a_generator_may_swing() -> None:
    swinging = [train(1000 + step, loss=500.0 + step, gen_loss=3.0) for step in range(10)]
    assert judge(BASELINE, train(900, loss=0.05), *swinging).verdict is State.UNDECIDED


def test_a_gradient_that_explodes_is_bad_in_the_third_row() -> None:
    rows = [train(step, grad_norm=10.0**step) for step in (7, 8, 9)]
    assert bad_signs(train(1), *rows) == ["exploding_gradient"]
    assert judge(train(1), *rows[:2]).verdict is State.UNDECIDED


def test_scaled_gradients_are_no_explosion() -> None:
    rows = [train(step, grad_norm=65536.0 * 2 ** (step // 10)) for step in range(1, 60)]
    assert judge(*rows).verdict is State.UNDECIDED


def test_infinite_gradients_are_left_to_the_count_of_steps_that_are_not_finite() -> None:
    rows = [train(step, grad_norm=math.inf) for step in range(1, 10)]
    assert judge(BASELINE, *rows).verdict is State.UNDECIDED


def test_a_new_process_counts_anew() -> None:
    wild = [train(step, loss=1e9) for step in (10, 20)]
    again = [Row(2, "train", step, 0, {"loss": 1e9}) for step in (30, 40)]
    assert judge(start(), BASELINE, *wild, start(25, attempt=2), *again).verdict is State.UNDECIDED


# A loss that is frozen: a NaN that somebody replaces.


def test_a_loss_that_is_the_same_to_the_last_digit_is_bad_in_the_tenth_row() -> None:
    rows = [BASELINE, *(train(step, loss=1.0) for step in range(10, 20))]
    assert judge(*rows[:-1]).verdict is State.UNDECIDED
    assert bad_signs(*rows) == ["frozen_loss"]


def test_a_stand_in_from_the_first_step_on_is_known_by_being_whole() -> None:
    assert bad_signs(*(train(step, loss=1.0) for step in range(1, 11))) == ["frozen_loss"]
    assert judge(*(train(step, loss=0.05) for step in range(1, 100))).verdict is State.UNDECIDED


def test_a_loss_that_is_rounded_may_repeat() -> None:
    rounded = [train(step, loss=round(0.0312 + 0.0002 * math.sin(step), 3)) for step in range(1, 300)]
    assert judge(*rounded).verdict is State.UNDECIDED


@pytest.mark.parametrize("values", [{"loss": 0.0}, {"loss": 0.0123456789, "lr": 0.0}, {"loss": math.nan}])
def test_a_loss_may_repeat_where_nothing_is_learnt_on_purpose(values: dict[str, float]) -> None:
    rows = [train(step, **values) for step in range(10, 19)]
    assert "frozen_loss" not in bad_signs(BASELINE, *rows, *[train(30, **values)])


def test_a_loss_may_repeat_while_validation_goes_on_changing() -> None:
    def validation(number: int, snr: float) -> Row:
        return Row(1, "validation", 10 * number + 5, number, {"loss": 0.08123456, "snr_db": snr})

    frozen = [train(10 * number, loss=0.4) for number in range(1, 30)]
    moving = [validation(number, snr=number / 100) for number in range(1, 30)]
    standing = [validation(number, snr=0.5) for number in range(1, 30)]
    assert judge(BASELINE, *frozen, *moving).verdict is State.UNDECIDED
    assert bad_signs(BASELINE, *frozen, *standing) == ["frozen_loss"]


def test_a_loss_that_moves_in_its_last_digit_is_not_frozen() -> None:
    rows = [train(step, loss=0.0512345678 + step * 1e-9) for step in range(50)]
    assert judge(*rows).verdict is State.UNDECIDED


# A gradient that has vanished.


def test_a_gradient_that_vanishes_is_bad_in_the_tenth_row() -> None:
    rows = [train(1), *(train(step, grad_norm=0.0) for step in range(10, 20))]
    assert judge(*rows[:-1]).verdict is State.UNDECIDED
    assert bad_signs(*rows) == ["vanished_gradient"]


def test_a_gradient_that_was_never_there_is_bad_where_it_is_measured() -> None:
    rows = [train(step, grad_norm=0.0) for step in range(10, 20)]
    assert warnings(judge(*rows)) == ["vanished_gradient"]
    assert judge(*rows).verdict is State.UNDECIDED
    assert bad_signs(*(train(step, grad_norm=0.0, nonfinite_steps=0) for step in range(10, 20))) == [
        "vanished_gradient"
    ]


def test_a_gradient_that_is_not_finite_has_not_vanished() -> None:
    assert judge(
        train(1), *(train(step, grad_norm=math.nan) for step in range(10, 19)), train(30, grad_norm=0.0)
    ) == judge(train(1), train(30, grad_norm=0.0))


# A device that waits for data.


def slow(rows: int, seconds: float, **values: float) -> list[Row]:
    return [train(step, time=1e6 + seconds * step, **values) for step in range(rows)]


def test_a_gpu_that_waits_for_a_minute_is_bad() -> None:
    rows = slow(8, 12.0, audio_seconds_per_second=1.3)
    gpu = start(device="cuda:0")
    assert judge(gpu, *rows[:5]).verdict is State.UNDECIDED
    assert bad_signs(gpu, *rows) == ["starved_gpu"]


def test_a_slow_step_elsewhere_is_a_warning_that_goes_away() -> None:
    rows = slow(8, 12.0, audio_seconds_per_second=1.3)
    gpu = start(device="cuda")
    for verdict in (judge(start(), *rows), judge(*rows), judge(gpu, *slow(8, 12.0, audio_seconds_per_second=80.0))):
        assert (verdict.verdict, warnings(verdict)) == (State.UNDECIDED, ["starved_gpu"])
        assert "warning: a training step takes 12 s" in verdict.summary
    quick = train(9, time=rows[-1].values["time"] + 1)
    assert warnings(judge(start(), *rows, quick)) == []


def test_a_slow_start_and_a_pause_for_validation_are_no_starvation() -> None:
    pause = Row(1, "validation", 3, 1, {"loss": 0.08123456, "snr_db": 0.1})
    after = train(4, time=1e6 + 900.0)
    rows = [start(device="cuda"), train(1, time=0.0), train(2, time=200.0), train(3, time=201.0), pause, after]
    assert warnings(judge(*rows)) == []


# Limits of one's own.


def test_every_cause_can_be_switched_off() -> None:
    rows = [BASELINE, *(train(step, loss=1e9, grad_norm=0.0, nonfinite_steps=0) for step in range(10, 40))]
    assert bad_signs(*rows) == ["exploding_loss"]
    assert bad_signs(*rows, exploding_loss=None) == ["frozen_loss", "vanished_gradient"]
    assert judge(*rows, exploding_loss=None, frozen_loss=None, vanished_gradient=None).verdict is State.UNDECIDED


def test_rows_and_limit_can_be_set() -> None:
    rows = [BASELINE, train(10, loss=200.0)]
    assert judge(*rows).verdict is State.UNDECIDED
    assert bad_signs(*rows, exploding_loss={"rows": 1}) == ["exploding_loss"]
    assert judge(*rows, exploding_loss={"rows": 1, "limit": 1e5}).verdict is State.UNDECIDED
