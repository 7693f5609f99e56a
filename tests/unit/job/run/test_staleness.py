import pytest

from job.record.documents import Progress
from job.run.staleness import LoopWatch, budget, overdue
from job.spec.model import Watch
from job.verdict.pace import pace
from job.verdict.rows import Row

WATCH = Watch(silent=30)


def beat(step: int, phase: str = "training", at: float = 0.0) -> Progress:
    return Progress(step=step, epoch=1, phase=phase, time=at)


def looks(loop: LoopWatch, progress: Progress | None, start: float, seconds: float, every: float = 1.0) -> object:
    """Looks for so many seconds; returns the last answer."""
    answer = None
    for number in range(1, int(seconds / every) + 1):
        answer = loop.look(progress, start + number * every)
    return answer


def test_a_loop_that_beats_is_never_silent() -> None:
    loop = LoopWatch(WATCH, 0.0)
    assert not any(loop.look(beat(step), float(step)) for step in range(1000))


def test_a_loop_is_silent_once_its_phase_has_had_its_time() -> None:
    loop = LoopWatch(WATCH, 0.0)
    loop.look(beat(7), 0.0)
    assert looks(loop, beat(7), 0.0, 30) is None
    silence = loop.look(beat(7), 31.0)
    assert silence is not None
    assert (silence.phase, silence.step, silence.epoch, silence.allowed) == ("training", 7, 1, 30)
    assert "hung" in str(silence)


def test_each_phase_has_its_own_time() -> None:
    loop = LoopWatch(WATCH, 0.0)
    loop.look(beat(7, "saving"), 0.0)
    assert looks(loop, beat(7, "saving"), 0.0, 60) is None
    assert loop.look(beat(7, "saving"), 61.0) is not None


def test_before_the_first_beat_the_trainer_is_preparing() -> None:
    loop = LoopWatch(Watch(silent=10 / 6), 0.0)
    assert looks(loop, None, 0.0, 10) is None
    silence = loop.look(None, 11.0)
    assert silence is not None
    assert "before its first beat" in str(silence)


def test_a_machine_that_slept_is_no_silence() -> None:
    loop = LoopWatch(WATCH, 0.0)
    loop.look(beat(7), 0.0)
    assert looks(loop, beat(7), 0.0, 5) is None
    assert loop.look(beat(7), 8 * 3600.0) is None, "one look after a night proves nothing"
    assert loop.look(beat(8), 8 * 3600.0 + 1) is None


def test_time_alone_is_not_enough() -> None:
    loop = LoopWatch(Watch(silent=1), 0.0)
    loop.look(beat(7), 0.0)
    assert loop.look(beat(7), 4.0) is None
    assert loop.look(beat(7), 8.0) is None
    assert loop.look(beat(7), 12.0) is not None


def test_the_end_has_the_budget_of_saving_and_an_unknown_phase_the_largest() -> None:
    assert budget(WATCH, "done") == 60
    assert budget(WATCH, "dreaming") == 180


def rows(validations: list[float], until: float, every: float = 2.0) -> list[Row]:
    """An attempt that has started at 0, validated at these times, and written training rows all the while."""
    found = [Row(1, "start", 0, 0, {"time": 0.0, "steps_per_epoch": 10.0, "planned_steps": 100.0})]
    for number in range(1, int(until / every) + 1):
        found.append(Row(1, "train", number, 0, {"time": number * every}))
    found += [Row(1, "validation", int(at / every), index, {"time": at}) for index, at in enumerate(validations)]
    return found


def test_a_validation_is_overdue_after_five_epochs_of_training_without_one() -> None:
    validations = [20.0, 60.0, 100.0]
    assert overdue(pace(rows(validations, 100 + 200)), WATCH) is None
    said = overdue(pace(rows(validations, 100 + 204)), WATCH)
    assert said is not None
    assert "no validation row for 204 s" in said


def test_it_is_never_overdue_before_the_least_time() -> None:
    validations = [1.0, 3.0, 5.0]
    assert overdue(pace(rows(validations, 184)), WATCH) is None
    assert overdue(pace(rows(validations, 188)), WATCH) is not None


def test_before_two_validations_the_steps_of_an_epoch_say_what_to_expect() -> None:
    assert pace(rows([], 50)).epoch_seconds == pytest.approx(20)
    assert overdue(pace(rows([], 100)), Watch(silent=10)) is None
    assert overdue(pace(rows([], 104)), Watch(silent=10)) is not None


def test_nothing_is_expected_where_nothing_is_known() -> None:
    assert overdue(pace([]), WATCH) is None
    assert overdue(pace([Row(1, "train", 1, 0, {}), Row(1, "train", 2, 0, {"time": float("nan")})]), WATCH) is None


def test_a_night_between_two_rows_is_not_training_without_a_validation() -> None:
    asleep = [*rows([20.0, 60.0], 62), Row(1, "train", 99, 0, {"time": 40_000.0})]
    assert overdue(pace(asleep), WATCH) is None


@pytest.mark.parametrize("field", ["training", "agent", "polls", "overdue"])
def test_budgets_that_make_no_sense_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Watch.model_validate({field: 0})
