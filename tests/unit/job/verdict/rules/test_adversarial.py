from typing import Any

from job.verdict.checklist import evaluate
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row
from job.verdict.signs import Severity, State, Verdict

EPOCH = 3000
DEAD = {"disc_loss": 2.001, "feature_loss": 0.011}


def train(epoch: int, **values: float) -> Row:
    return Row(1, "train", epoch * EPOCH + EPOCH // 2, epoch, {"loss": 0.1 + epoch / 1000, **values})


def validation(epoch: int, **values: float) -> Row:
    """Between good and bad: the table decides nothing."""
    row = {"loss": 0.2, "snr_db": 3.0 + epoch / 100, "amplitude": 0.7, **values}
    return Row(1, "validation", epoch * EPOCH, epoch, row)


BASELINE = Row(1, "validation", 0, 0, {"loss": 0.09, "snr_db": 0.0, "amplitude": 0.0})


def judge(*rows: Row, **settings: Any) -> Verdict:
    return evaluate(rows, Checklist.model_validate(settings))


def bad_signs(*rows: Row) -> list[str]:
    return [sign.sign for sign in judge(*rows).signs if sign.state is State.BAD]


def test_a_discriminator_that_is_dead_for_three_epochs_is_bad() -> None:
    assert judge(train(4, **DEAD), train(5, **DEAD)).verdict is State.UNDECIDED
    assert bad_signs(train(4, **DEAD), train(5, **DEAD), train(6, **DEAD)) == ["dead_discriminator"]


def test_it_is_bad_beside_good_figures_too() -> None:
    good = [validation(epoch, snr_db=6.0 + epoch, amplitude=0.9, **DEAD) for epoch in range(1, 6)]
    assert bad_signs(BASELINE, *good) == ["dead_discriminator"]


def test_a_discriminator_in_balance_is_not_dead() -> None:
    balance = [train(epoch, disc_loss=1.99, feature_loss=0.4) for epoch in range(10)]
    assert judge(*balance).verdict is State.UNDECIDED
    summed = [train(epoch, disc_loss=9.97, feature_loss=0.01) for epoch in range(10)]
    assert judge(*summed).verdict is State.UNDECIDED
    unsaid = [train(epoch, disc_loss=2.0) for epoch in range(10)]
    assert judge(*unsaid).verdict is State.UNDECIDED


def test_one_living_row_speaks_for_its_epoch() -> None:
    alive = Row(1, "train", 5 * EPOCH + 1, 5, {"disc_loss": 1.4, "feature_loss": 0.2})
    rows = [train(3, **DEAD), train(4, **DEAD), alive, train(5, **DEAD), train(6, **DEAD), train(7, **DEAD)]
    assert judge(*rows[:-1]).verdict is State.UNDECIDED


def test_a_discriminator_that_has_just_begun_is_not_dead() -> None:
    begun = [Row(1, "train", 40_000 + 3 * epoch, epoch, {**DEAD}) for epoch in range(50)]
    assert judge(*begun).verdict is State.UNDECIDED


def test_zeros_before_the_discriminator_takes_part_are_no_beginning() -> None:
    waiting = [train(epoch, disc_loss=2.0, feature_loss=0.0, gen_loss=0.0) for epoch in range(10)]
    assert judge(*waiting).verdict is State.UNDECIDED


def test_a_validation_loss_that_doubles_when_the_adversarial_loss_begins_is_bad() -> None:
    before = [BASELINE, validation(1), validation(2)]
    doubled = validation(3, loss=0.41, snr_db=0.01)
    assert bad_signs(*before, train(2, gen_loss=1.2), doubled) == ["adversarial_explosion"]
    # Without a discriminator the table is all there is.
    assert judge(*before, doubled).verdict is State.UNDECIDED


def test_an_explosion_must_be_heard() -> None:
    before = [BASELINE, validation(1, mel_distance=0.5), train(1, gen_loss=1.2)]
    assert judge(*before, validation(2, loss=0.9, mel_distance=0.45)).verdict is State.UNDECIDED
    assert bad_signs(*before, validation(2, loss=0.9, mel_distance=0.7)) == ["adversarial_explosion"]
    assert judge(BASELINE, validation(1), train(1, gen_loss=1.2), validation(2, loss=0.9)).verdict is State.UNDECIDED


def test_a_doubled_loss_beside_good_figures_is_a_warning() -> None:
    rows = [BASELINE, validation(1, snr_db=14.0, amplitude=0.9, loss=0.05), train(1, gen_loss=1.2)]
    verdict = judge(*rows, validation(2, snr_db=9.0, amplitude=0.9, loss=0.12))
    assert verdict.verdict is State.GOOD
    assert [sign.sign for sign in verdict.signs if sign.severity is Severity.WARNING] == ["adversarial_explosion"]


def test_the_training_loss_of_the_generator_is_not_judged() -> None:
    rows = [BASELINE, validation(1), *(train(1 + k, loss=40.0 + k, gen_loss=40.0) for k in range(9)), validation(12)]
    assert judge(*rows).verdict is State.UNDECIDED
