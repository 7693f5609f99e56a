import math
from typing import Any

import pytest

from job.verdict.checklist import evaluate
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row
from job.verdict.signs import State, Verdict


def train(step: int, epoch: int | None = 0, attempt: int = 1, **values: float) -> Row:
    return Row(attempt, "train", step, epoch, {"loss": 0.3, "l1": 0.1, **values})


def start(step: int, attempt: int = 1, **values: float) -> Row:
    return Row(attempt, "start", step, 0, values)


def validation(step: int, epoch: int, **values: float) -> Row:
    return Row(1, "validation", step, epoch, values)


def judge(*rows: Row, **limits: Any) -> Verdict:
    return evaluate(rows, Checklist.model_validate({"faults": limits}))


def bad_signs(*rows: Row, **limits: Any) -> list[str]:
    verdict = judge(*rows, **limits)
    assert all(sign.state is State.BAD for sign in verdict.signs)
    return [sign.sign for sign in verdict.signs]


# Steps that are not finite, one after another.


def test_a_single_step_that_is_not_finite_is_normal() -> None:
    rows = [train(step) for step in range(1, 20)]
    rows[7] = train(8, loss=math.nan, nonfinite_run=1, nonfinite_steps=1)
    assert judge(start(0, steps_per_epoch=20), *rows).verdict is State.UNDECIDED


@pytest.mark.parametrize("values", [{"loss": math.nan}, {"loss": -math.inf}, {"grad_norm": math.inf}])
def test_ten_rows_in_a_row_that_are_not_finite_are_bad(values: dict[str, Any]) -> None:
    rows = [train(step, **values) for step in range(1, 11)]
    assert bad_signs(*rows) == ["non_finite"]
    assert judge(*rows[:9]).verdict is State.UNDECIDED


def test_a_finite_row_ends_the_count() -> None:
    rows = [train(step, loss=math.nan if step != 10 else 0.3) for step in range(1, 20)]
    assert judge(*rows).verdict is State.UNDECIDED


def test_ten_steps_in_a_row_between_two_rows_are_bad_by_the_trainers_counter() -> None:
    assert judge(train(100, nonfinite_run=9)).verdict is State.UNDECIDED
    verdict = judge(train(100, nonfinite_run=10))
    assert verdict.verdict is State.BAD
    assert "10 steps in a row were not finite" in verdict.summary


def test_the_run_of_steps_can_be_set() -> None:
    assert bad_signs(train(100, nonfinite_run=3), nonfinite_run=3) == ["non_finite"]


def test_a_new_process_begins_its_own_row_of_steps() -> None:
    first = [train(step, loss=math.nan) for step in range(1, 7)]
    second = [train(step, attempt=2, loss=math.nan) for step in range(7, 13)]
    assert judge(start(0), *first, start(6, attempt=2), *second).verdict is State.UNDECIDED


# A share of an epoch.

BEGUN = start(0, steps_per_epoch=200)


def test_a_tenth_of_an_epochs_steps_is_bad() -> None:
    rows = [BEGUN, train(50, nonfinite_steps=3), train(100, nonfinite_steps=19)]
    assert judge(*rows).verdict is State.UNDECIDED
    verdict = judge(*rows, train(150, nonfinite_steps=20))
    assert "20 of an epoch's 200 steps were not finite" in verdict.summary


def test_each_epoch_is_counted_by_itself() -> None:
    rows = [train(200 * epoch + 10, epoch, nonfinite_steps=9 * (epoch + 1)) for epoch in range(6)]
    assert judge(BEGUN, *rows).verdict is State.UNDECIDED


def test_steps_that_are_lost_in_every_epoch_are_bad_at_the_end_of_the_second() -> None:
    def epochs(*lost: int) -> list[Row]:
        counts = [sum(lost[: epoch + 1]) for epoch in range(len(lost))]
        return [train(200 * epoch + 190, epoch, nonfinite_steps=count) for epoch, count in enumerate(counts)]

    closing = train(590, 3, nonfinite_steps=40)
    assert judge(BEGUN, *epochs(18, 2, 18, 0)).verdict is State.UNDECIDED  # not in a row
    assert bad_signs(BEGUN, *epochs(18, 18, 4)) == ["lossy_training"]
    assert judge(BEGUN, *epochs(18, 18)).verdict is State.UNDECIDED  # the second has not ended
    assert judge(BEGUN, *epochs(9, 9, 9), closing).verdict is State.UNDECIDED  # below a twentieth


def test_a_few_steps_of_a_short_epoch_are_not_a_share() -> None:
    assert judge(start(0, steps_per_epoch=3), train(3, nonfinite_steps=2)).verdict is State.UNDECIDED
    assert judge(start(0, steps_per_epoch=30), train(30, nonfinite_steps=10)).verdict is State.BAD


def test_a_resume_does_not_count_the_steps_of_earlier_epochs_again() -> None:
    first = [train(200 * epoch + 10, epoch, nonfinite_steps=epoch) for epoch in range(30)]
    resumed = train(6010, 30, attempt=2, nonfinite_steps=31)
    again = start(6000, attempt=2, steps_per_epoch=200)
    assert judge(BEGUN, *first, again, resumed).verdict is State.UNDECIDED
    # Nor where the rows before are not there at all.
    assert judge(again, resumed).verdict is State.UNDECIDED


def test_a_resume_does_not_forget_the_steps_of_its_own_epoch() -> None:
    again = start(100, attempt=2, steps_per_epoch=200)
    rows = [BEGUN, train(90, nonfinite_steps=12), again, train(150, attempt=2, nonfinite_steps=20)]
    assert bad_signs(*rows) == ["non_finite"]


def test_a_counter_that_begins_anew_with_each_process_is_understood() -> None:
    again = start(200, attempt=2, steps_per_epoch=200)
    rows = [BEGUN, train(190, nonfinite_steps=15), again, train(250, 1, attempt=2, nonfinite_steps=5)]
    assert judge(*rows).verdict is State.UNDECIDED
    assert judge(*rows, train(300, 1, attempt=2, nonfinite_steps=25)).verdict is State.BAD


def scattered(every: int) -> list[Row]:
    return [train(step, loss=math.nan if step % every == 0 else 0.3) for step in range(1, 201)]


@pytest.mark.parametrize("closing", [validation(200, 1), train(201, 1)])
def test_without_a_counter_an_epoch_is_judged_by_its_rows_when_it_is_over(closing: Row) -> None:
    assert judge(*scattered(10)).verdict is State.UNDECIDED
    assert bad_signs(*scattered(10), closing) == ["non_finite"]
    assert judge(*scattered(11), closing).verdict is State.UNDECIDED


# Dead codebooks.


def test_dead_codebooks_for_100_steps_are_bad() -> None:
    assert judge(train(300, dead_codebook_steps=99)).verdict is State.UNDECIDED
    verdict = judge(train(300, dead_codebook_steps=100))
    assert [sign.sign for sign in verdict.signs] == ["dead_codebooks"]
    assert "for 100 steps" in verdict.summary


def dead(*steps: int) -> list[Row]:
    return [train(step, vq=0.4, latent_power=0.4) for step in steps]


def test_without_a_counter_every_row_of_the_stretch_must_say_so() -> None:
    assert bad_signs(*dead(*range(1, 101))) == ["dead_codebooks"]
    assert judge(*dead(*range(1, 100))).verdict is State.UNDECIDED
    alive = train(50, vq=0.39, latent_power=0.4)
    assert judge(*dead(*range(1, 50)), alive, *dead(*range(51, 150))).verdict is State.UNDECIDED


def test_two_rows_far_apart_are_no_stretch() -> None:
    assert judge(*dead(100, 900)).verdict is State.UNDECIDED
    assert bad_signs(*dead(100, 500, 900)) == ["dead_codebooks"]


def test_low_code_use_and_a_growing_vq_loss_are_no_fault() -> None:
    early = [train(step, vq=0.002 * step**1.1, latent_power=1.0, codes_used=0.01) for step in range(20, 101)]
    late = [train(step, vq=0.3, latent_power=1.0, codes_used=0.01) for step in range(101, 400)]
    grown = [train(400 + step, vq=0.002 * 150 ** (step / 80), latent_power=1.0, loss=0.4) for step in range(81)]
    assert judge(*early, *late, *grown).verdict is State.UNDECIDED


# An output that saturates.


def test_an_output_that_begins_to_saturate_is_bad() -> None:
    rows = [train(10, l1=0.12), train(20, l1=0.6), train(30, l1=0.8)]
    assert judge(*rows).verdict is State.UNDECIDED
    assert bad_signs(*rows, train(40, l1=0.85)) == ["blow_up"]


def test_the_baseline_counts_as_lower() -> None:
    saturated = [train(step, l1=0.85) for step in (10, 20, 30)]
    assert bad_signs(validation(0, 0, l1=0.12, snr_db=-0.1), *saturated) == ["blow_up"]


def test_a_spike_that_recovers_is_no_fault() -> None:
    rows = [train(10, l1=0.12), train(20, l1=0.9), train(30, l1=0.9), train(40, l1=0.2), train(50, l1=0.9)]
    assert judge(*rows).verdict is State.UNDECIDED


def test_a_run_that_begins_high_and_learns_is_no_fault() -> None:
    assert judge(*(train(step, l1=3.0 * 0.99**step) for step in range(300))).verdict is State.UNDECIDED


def test_a_high_but_healthy_l1_is_no_fault() -> None:
    assert judge(*(train(step, l1=0.49) for step in range(300))).verdict is State.UNDECIDED
