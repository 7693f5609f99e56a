import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.verdict.checklist import Judge, evaluate
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row, parse
from job.verdict.signs import Sign, State, Verdict

GOOD_VALUES = {"loss": 0.2, "snr_db": 6.0, "amplitude": 0.85}
BASELINE = {"kind": "validation", "step": 0, "epoch": 0, "loss": 0.6, "snr_db": -0.2, "amplitude": 0.1}
EPOCH = 3000  # steps: one epoch makes a row decisive by default


def validation(epoch: int, **values: Any) -> dict[str, Any]:
    """The row after an epoch: good, but for what the test says."""
    return {"kind": "validation", "step": epoch * EPOCH, "epoch": epoch, **GOOD_VALUES, **values}


def snrs(*values: float) -> list[dict[str, Any]]:
    """The rows of an undecided run, from epoch 1 on: never good, because the loss stays between its limits."""
    return [validation(epoch, loss=0.7, snr_db=value) for epoch, value in enumerate(values, 1)]


def start(step: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "start", "step": step, "epoch": step // EPOCH, "time": 1.0 + step, **fields}


def judge(*rows: dict[str, Any], **checklist: Any) -> Verdict:
    log = parse(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return evaluate(log.rows, Checklist.model_validate(checklist))


def sign(verdict: Verdict, name: str) -> Sign:
    (found,) = [sign for sign in verdict.signs if sign.sign == name]
    return found


def bad_signs(verdict: Verdict) -> list[str]:
    return [sign.sign for sign in verdict.signs if sign.state is State.BAD]


# The table.


def test_a_run_with_every_good_sign_is_good() -> None:
    verdict = judge(BASELINE, validation(1))
    assert verdict.verdict is State.GOOD
    assert [sign.sign for sign in verdict.signs] == ["loss", "snr_db", "amplitude", "improvement"]
    assert all(sign.state is State.GOOD and sign.acts for sign in verdict.signs)


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("loss", 0.49, State.GOOD),
        ("loss", 0.5, State.UNDECIDED),
        ("loss", 1.0, State.UNDECIDED),
        ("loss", 1.01, State.BAD),
        ("snr_db", 5.01, State.GOOD),
        ("snr_db", 5.0, State.UNDECIDED),
        ("snr_db", 0.0, State.UNDECIDED),
        ("snr_db", -0.01, State.BAD),
        ("amplitude", 0.76, State.GOOD),
        ("amplitude", 0.75, State.UNDECIDED),
        ("amplitude", 0.60, State.UNDECIDED),
        ("amplitude", 0.59, State.BAD),
    ],
)
def test_limits_are_exclusive(name: str, value: float, state: State) -> None:
    verdict = judge(BASELINE, validation(1, **{name: value}), strict=True)
    assert verdict.verdict is state
    assert sign(verdict, name).state is state
    assert (sign(verdict, name).value, sign(verdict, name).epoch, sign(verdict, name).step) == (value, 1, EPOCH)


def test_every_bad_sign_is_named_in_the_summary() -> None:
    verdict = judge(BASELINE, validation(1, loss=2.0, snr_db=-3.0, amplitude=0.1))
    assert bad_signs(verdict) == ["loss", "snr_db", "amplitude", "improvement"]
    for name in ("loss", "snr_db", "amplitude"):
        assert f"{name} " in verdict.summary


def test_the_first_bad_row_decides_and_is_never_forgotten() -> None:
    verdict = judge(BASELINE, validation(1, snr_db=1.0, amplitude=0.3), validation(2))
    assert verdict.verdict is State.BAD
    assert sign(verdict, "amplitude").epoch == 1


@pytest.mark.parametrize(
    ("epoch", "snr", "amplitude"),
    [(5, -1.11, 0.53), (10, -0.61, 0.38), (35, -0.03, 0.07), (40, 0.03, 0.11), (45, 0.53, 0.285)],
)
def test_the_runs_that_were_lost_are_bad(epoch: int, snr: float, amplitude: float) -> None:
    baseline = {**BASELINE, "snr_db": -9.0}
    verdict = judge(baseline, validation(epoch, loss=0.15, snr_db=snr, amplitude=amplitude))
    assert verdict.verdict is State.BAD
    assert "amplitude" in bad_signs(verdict)


def test_the_run_that_worked_is_good() -> None:
    assert judge(BASELINE, validation(1, snr_db=14.48, amplitude=0.98, loss=0.05)).verdict is State.GOOD


def test_no_rows_are_undecided() -> None:
    verdict = judge()
    assert (verdict.verdict, verdict.summary) == (State.UNDECIDED, "no validation row yet")


def test_training_rows_alone_are_undecided() -> None:
    assert judge({"kind": "train", "step": 9000, "epoch": 3, "loss": 4.0}).verdict is State.UNDECIDED


# Which rows may decide.


def test_the_healthy_valley_kills_nobody() -> None:
    valley = {"kind": "validation", "step": 45, "epoch": 15, "loss": 1.4, "snr_db": -1.1, "amplitude": 0.16}
    silent = {"kind": "validation", "step": 1250, "epoch": 2, "loss": 0.2, "snr_db": 0.0, "amplitude": 0.01}
    verdict = judge(BASELINE, valley, silent)
    assert verdict.verdict is State.UNDECIDED
    assert sign(verdict, "amplitude").state is State.BAD
    assert not any(sign.acts for sign in verdict.signs)
    assert "step 3000 on" in verdict.summary


def test_the_same_values_after_the_grace_are_bad() -> None:
    row = validation(1, snr_db=-1.1, amplitude=0.16)
    assert judge(BASELINE, {**row, "step": 2999}).verdict is State.UNDECIDED
    assert judge(BASELINE, {**row, "step": 3000}).verdict is State.BAD


def test_the_clock_is_training_not_epochs() -> None:
    assert judge({**BASELINE, "step": 9000}).verdict is State.BAD
    assert judge({**BASELINE, "step": 9000}, epoch=2).verdict is State.UNDECIDED
    assert judge({**BASELINE, "step": 2999}).verdict is State.UNDECIDED
    mid_epoch = {**validation(1), "epoch": 0}
    assert judge(BASELINE, mid_epoch).verdict is State.GOOD


def test_a_verdict_reached_in_the_grace_is_not_kept() -> None:
    valley = {**validation(1, snr_db=-1.1, amplitude=0.1), "step": 1000}
    assert judge(BASELINE, valley, validation(2)).verdict is State.GOOD
    early = {**validation(1), "step": 1000}
    assert judge(BASELINE, early, validation(2, amplitude=0.2)).verdict is State.BAD


def test_a_step_alone_suffices() -> None:
    def without_epoch(row: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name != "epoch"}

    assert judge(BASELINE, without_epoch(validation(1))).verdict is State.GOOD
    assert judge(BASELINE, without_epoch(validation(1, snr_db=-3.0))).verdict is State.BAD


def test_rows_without_any_step_never_decide() -> None:
    for row in (validation(1), validation(1, snr_db=-3.0, amplitude=0.1)):
        verdict = judge({"kind": "validation", **GOOD_VALUES}, {**row, "step": None})
        assert verdict.verdict is State.UNDECIDED
        assert "do not say their step" in verdict.summary


def test_a_row_without_step_is_no_earlier_than_the_rows_before_it() -> None:
    row = validation(1, amplitude=0.1)
    del row["step"]
    before = {"kind": "train", "step": 2999, "epoch": 0, "loss": 0.3}
    assert judge(BASELINE, before, row).verdict is State.UNDECIDED
    assert judge(BASELINE, {**before, "step": 3000}, row).verdict is State.BAD


def test_a_row_without_step_does_not_cover_the_evidence_of_one_that_decided() -> None:
    good = judge(BASELINE, validation(1), {"kind": "validation", "snr_db": -3.0})
    assert good.verdict is State.GOOD
    assert all(sign.state is State.GOOD and sign.acts for sign in good.signs)


def test_when_the_table_decides_can_be_set() -> None:
    early = {**validation(1, amplitude=0.1), "step": 10}
    assert judge(BASELINE, early, min_steps=10).verdict is State.BAD
    assert judge(BASELINE, early, min_steps=10, epoch=2).verdict is State.UNDECIDED


# Missing values.


@pytest.mark.parametrize("name", ["loss", "snr_db", "amplitude"])
@pytest.mark.parametrize("value", [None, "lost", "", [6.0], True])
def test_a_metric_that_is_no_number_is_missing_and_withholds_good(name: str, value: Any) -> None:
    row = validation(1, **{name: value})
    del row[name]
    missing = judge(BASELINE, row)
    assert missing.verdict is State.UNDECIDED
    assert "missing" in sign(missing, name).message
    assert judge(BASELINE, {**row, name: value}) == missing


def test_a_missing_metric_does_not_hide_another_bad_one() -> None:
    assert judge(BASELINE, validation(1, loss=None, amplitude=0.2)).verdict is State.BAD


def test_a_missing_baseline_withholds_good() -> None:
    verdict = judge(validation(1))
    assert verdict.verdict is State.UNDECIDED
    assert sign(verdict, "improvement").state is State.UNDECIDED
    assert "not yet good: improvement" in verdict.summary


# Values that are not finite.


@pytest.mark.parametrize("name", ["loss", "l1", "vq", "snr_db", "amplitude"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", math.nan, math.inf, -math.inf])
def test_a_validation_that_is_not_finite_is_bad_at_once(name: str, value: Any) -> None:
    for row in (validation(1), {**validation(1), "step": 5}):
        verdict = judge(BASELINE, {**row, name: value})
        assert bad_signs(verdict) == ["non_finite"]
        assert name in verdict.summary


def test_what_is_not_finite_comes_before_the_table() -> None:
    assert bad_signs(judge(BASELINE, validation(1, snr_db="NaN", amplitude=0.1, loss=3.0))) == ["non_finite"]


def test_a_silent_output_has_no_correlation_and_that_is_no_fault() -> None:
    silent = {**validation(1, snr_db=0.0, amplitude=0.0), "step": 100, "correlation": "NaN", "si_sdr_db": "-Infinity"}
    assert judge(BASELINE, silent).verdict is State.UNDECIDED


def test_a_metric_that_the_checklist_reads_must_be_finite() -> None:
    signs = {"correlation": {"good_above": 0.8, "bad_below": 0.3}}
    assert bad_signs(judge(BASELINE, validation(1, correlation="NaN"), signs=signs)) == ["non_finite"]


def test_the_verdict_in_json_holds_no_bare_nan() -> None:
    verdict = judge(BASELINE, validation(1, snr_db=math.nan))
    record = json.loads(json.dumps(verdict.as_dict(), allow_nan=False))
    assert record["verdict"] == "bad"
    assert [(sign["sign"], sign["state"], sign["value"]) for sign in record["signs"]] == [("non_finite", "bad", "NaN")]


# A blow-up.


def test_a_blow_up_is_bad_at_the_first_validation() -> None:
    loud = {**validation(1, snr_db=-10.1), "step": 5}
    assert bad_signs(judge(BASELINE, loud)) == ["blow_up"]
    assert judge(BASELINE, {**loud, "snr_db": -10.0}).verdict is State.UNDECIDED


def test_an_untrained_decoder_may_be_loud() -> None:
    assert judge({**BASELINE, "snr_db": -15.0}, validation(1)).verdict is State.GOOD
    for row in ({}, {"epoch": 0}, {"step": 0}, {"epoch": 1, "step": 0}):
        assert judge({"kind": "validation", "snr_db": -15.0, **row}).verdict is State.UNDECIDED
    hardly_trained = {**BASELINE, "snr_db": -14.9, "step": 5}
    assert judge({**BASELINE, "snr_db": -15.0}, hardly_trained).verdict is State.UNDECIDED
    for row in ({"epoch": 1}, {"step": 5}, {"epoch": 0, "step": 5}):
        assert bad_signs(judge({"kind": "validation", "snr_db": -15.0, **row})) == ["blow_up"]


# Improvement.


def test_no_improvement_on_an_untrained_baseline_is_bad_at_the_first_decisive_row() -> None:
    for baseline in (1.5, 1.9):
        verdict = judge({**BASELINE, "snr_db": baseline}, validation(1, snr_db=1.5, amplitude=0.7))
        assert bad_signs(verdict) == ["improvement"]
        assert "no better than" in verdict.summary


def test_a_warm_start_may_dip() -> None:
    begun = {**BASELINE, **GOOD_VALUES, "snr_db": 5.6}
    dips = [validation(epoch, snr_db=snr) for epoch, snr in enumerate((4.8, 5.2, 5.9), 1)]
    assert judge(begun, *dips).verdict is State.GOOD
    assert judge({**begun, "snr_db": 4.6}, validation(1, snr_db=4.5)).verdict is State.UNDECIDED


def test_a_model_that_begins_with_good_figures_has_little_to_learn() -> None:
    begun = {**BASELINE, **GOOD_VALUES, "snr_db": 19.4}
    verdict = judge(begun, validation(1, snr_db=19.3))
    assert (verdict.verdict, sign(verdict, "improvement").state) == (State.UNDECIDED, State.UNDECIDED)
    assert judge(begun, validation(1, snr_db=19.3), validation(2, snr_db=19.6)).verdict is State.GOOD


def test_falling_back_to_the_baseline_later_is_a_strike() -> None:
    assert judge({**BASELINE, "snr_db": 1.0}, *snrs(2.0, 0.5)).verdict is State.UNDECIDED


def test_a_dip_below_a_better_row_of_the_grace_is_a_strike() -> None:
    grace = {**validation(1, snr_db=4.0, loss=0.7), "step": 1000}
    dip = validation(2, snr_db=3.0, loss=0.7)
    assert judge(BASELINE, grace, dip).verdict is State.UNDECIDED
    # Without a baseline too: the row of the grace is none.
    assert judge(grace, dip).verdict is State.UNDECIDED


def test_three_strikes_are_bad() -> None:
    assert judge(BASELINE, *snrs(2.0, 1.9, 1.9)).verdict is State.UNDECIDED
    verdict = judge(BASELINE, *snrs(2.0, 1.9, 1.9, 2.0))
    assert bad_signs(verdict) == ["improvement"]
    assert sign(verdict, "improvement").epoch == 4


def test_progress_within_the_noise_is_none() -> None:
    assert bad_signs(judge(BASELINE, *snrs(2.3, 2.31, 2.32, 2.33))) == ["improvement"]
    assert judge(BASELINE, *snrs(2.3, 2.36, 2.42, 2.48, 2.54)).verdict is State.UNDECIDED
    assert judge(BASELINE, *snrs(2.3, 2.33, 2.36, 2.39, 2.42, 2.45)).verdict is State.UNDECIDED  # it adds up


def test_a_plateau_that_the_rate_explains_is_no_reason_to_end_a_run() -> None:
    flat = snrs(4.6, 4.61, 4.6, 4.59, 4.6, 4.61)
    verdict = judge(BASELINE, *flat)
    assert verdict.verdict is State.UNDECIDED
    assert "for 3 strikes" in sign(verdict, "improvement").message
    assert judge(BASELINE, *flat, strict=True).verdict is State.BAD


def test_the_rate_says_what_a_plateau_is() -> None:
    def at(kbps_stages: int, snr: float) -> State:
        config = {
            "sample_rate": 16000,
            "strides": [2, 2, 2, 2, 5],
            "num_quantizers": kbps_stages,
            "codebook_size": 1024,
        }
        rows = snrs(snr, snr, snr, snr)
        return judge(start(0, config=config), BASELINE, *rows).verdict

    assert at(1, 1.0) is State.UNDECIDED  # 2 kbit/s: 1.2 dB are usual
    assert at(8, 3.0) is State.BAD  # 16 kbit/s: 9 dB are usual


def test_a_strike_stands_for_training_not_for_a_row() -> None:
    def every(steps: int, rows: int) -> list[dict[str, Any]]:
        return [{**validation(1, loss=0.7, snr_db=2.0), "step": 3000 + steps * number} for number in range(rows)]

    assert judge(BASELINE, *every(100, 45)).verdict is State.UNDECIDED
    assert bad_signs(judge(BASELINE, *every(100, 46))) == ["improvement"]
    assert bad_signs(judge(BASELINE, *every(1500, 4))) == ["improvement"]


def test_small_validation_sets_give_no_strikes() -> None:
    few = [{**row, "crops": 3} for row in snrs(2.0, 1.0, 1.5, 1.2, 1.9, 1.4)]
    assert judge(BASELINE, *few).verdict is State.UNDECIDED


def test_a_better_row_resets_the_strikes() -> None:
    assert judge(BASELINE, *snrs(2.0, 1.9, 1.9, 2.1, 2.0, 2.0)).verdict is State.UNDECIDED
    assert judge(BASELINE, *snrs(2.0, 1.9, 1.9, 2.1, 2.0, 2.0, 2.0)).verdict is State.BAD


def test_strikes_are_counted_against_the_best_row_not_the_last() -> None:
    assert judge(BASELINE, *snrs(2.4, 1.0, 1.5, 2.0)).verdict is State.BAD


def test_rows_of_the_grace_are_no_strikes() -> None:
    grace = [{**row, "step": 100 * row["epoch"]} for row in snrs(1.0, 0.9, 0.8, 0.7)]
    assert judge(BASELINE, *grace, validation(5, snr_db=0.9, loss=0.7)).verdict is State.UNDECIDED


def test_a_row_that_is_good_otherwise_is_no_strike() -> None:
    peak = {**validation(1, snr_db=6.4), "step": 1000}
    later = [validation(epoch, snr_db=6.0) for epoch in range(2, 9)]
    verdict = judge(BASELINE, peak, *later)
    assert (verdict.verdict, sign(verdict, "improvement").state) == (State.UNDECIDED, State.UNDECIDED)
    assert judge(BASELINE, peak, *later, validation(9, snr_db=6.5)).verdict is State.GOOD


def test_a_row_without_the_metric_is_neither_strike_nor_reset() -> None:
    gap = validation(3, snr_db=None, loss=0.7)
    assert judge(BASELINE, *snrs(2.0, 1.9), gap, *snrs(0, 0, 0, 1.9)[3:]).verdict is State.UNDECIDED
    assert judge(BASELINE, *snrs(2.0, 1.9), gap, *snrs(0, 0, 0, 1.9, 1.9)[3:]).verdict is State.BAD


def test_the_first_decisive_row_is_the_first_that_has_the_metric() -> None:
    begun = {**BASELINE, "snr_db": 1.9}
    assert judge(begun, validation(1, snr_db=None), validation(2, snr_db=1.8)).verdict is State.BAD


def test_patience_and_metric_can_be_set() -> None:
    losses = [{**BASELINE, "loss": 0.99}, *(validation(epoch, snr_db=3.0, loss=0.85 + epoch / 50) for epoch in (1, 2))]
    losses.insert(1, {**validation(1, loss=0.8), "step": 100})
    assert judge(*losses, improvement={"metric": "loss", "patience": 1}).verdict is State.BAD
    assert judge(*losses, improvement={"metric": "loss", "patience": 3}).verdict is State.UNDECIDED
    assert judge(BASELINE, *snrs(1.0, 1.0, 1.0, 1.0, 1.0), improvement=None).verdict is State.UNDECIDED


# After GOOD.


def test_a_good_run_that_converges_stays_good() -> None:
    flat = [validation(epoch, snr_db=6.0 - epoch / 100) for epoch in range(2, 30)]
    assert judge(BASELINE, validation(1), *flat).verdict is State.GOOD


def test_a_good_run_stays_good_between_the_limits_and_with_metrics_missing() -> None:
    assert judge(BASELINE, validation(1), validation(2, amplitude=0.7), validation(3, loss=None)).verdict is State.GOOD


@pytest.mark.parametrize("values", [{"snr_db": -0.1}, {"snr_db": 1.0, "amplitude": 0.5}, {"snr_db": "NaN"}])
def test_a_good_run_that_turns_bad_is_bad(values: dict[str, Any]) -> None:
    verdict = judge(BASELINE, validation(1), validation(2, **values))
    assert verdict.verdict is State.BAD
    assert "improvement" not in bad_signs(verdict)


def test_a_fault_in_training_condemns_a_good_run() -> None:
    fault = {"kind": "train", "step": 3100, "epoch": 1, "nonfinite_run": 10}
    assert bad_signs(judge(BASELINE, validation(1), fault)) == ["non_finite"]


# A checklist of one's own.


def test_signs_can_be_changed_added_and_removed() -> None:
    signs = {"loss": None, "snr_db": {"good_above": 20.0}, "correlation": {"bad_below": 0.5}}
    verdict = judge(BASELINE, validation(1, loss=9.0, correlation=0.9), signs=signs)
    assert verdict.verdict is State.UNDECIDED
    assert [sign.sign for sign in verdict.signs] == ["snr_db", "amplitude", "correlation", "improvement"]
    assert sign(verdict, "snr_db").threshold == "good > 20, bad < 0"
    assert bad_signs(judge(BASELINE, validation(1, correlation=0.4), signs=signs)) == ["correlation"]


def test_a_checklist_without_signs_calls_nothing_good() -> None:
    nothing = {"signs": {"loss": None, "snr_db": None, "amplitude": None}, "improvement": None}
    verdict = judge(BASELINE, validation(1), **nothing)
    assert (verdict.verdict, verdict.summary) == (State.UNDECIDED, "the checklist has no signs")


# Attempts.


def test_resuming_hides_a_later_bad_row_of_an_older_attempt() -> None:
    bad = validation(2, amplitude=0.1)
    assert judge(start(0), BASELINE, validation(1), bad).verdict is State.BAD
    assert judge(start(0), BASELINE, validation(1), bad, start(EPOCH)).verdict is State.GOOD
    assert judge(start(0), BASELINE, validation(1), bad, start(2 * EPOCH)).verdict is State.BAD


def test_the_baseline_outlives_a_resume() -> None:
    rows = [start(0), BASELINE, start(0, resumed_from=None) | {"time": 7.0}, validation(1)]
    assert judge(*rows).verdict is State.GOOD


def test_epoch_1_is_that_of_the_run_not_of_the_attempt() -> None:
    assert judge(start(0), BASELINE, validation(1), start(EPOCH), validation(2, amplitude=0.1)).verdict is State.BAD


# What must change nothing. Three runs, each in two attempts: one of each verdict.

TRAINING = [
    {"kind": "train", "step": step, "epoch": step // EPOCH, "loss": 0.3, "l1": 0.05, "vq": 0.1, "latent_power": 0.4}
    for step in range(500, 2 * EPOCH, 500)
]
FIRST = [start(0), BASELINE, *TRAINING[:8], validation(1, loss=0.7)]
RUNS = {
    State.GOOD: [*FIRST, start(EPOCH), *TRAINING[8:], validation(2, snr_db=7.0)],
    State.BAD: [*FIRST, start(EPOCH), *TRAINING[8:], validation(2, amplitude=0.3)],
    State.UNDECIDED: [*FIRST, start(EPOCH), *TRAINING[8:], validation(2, loss=0.6)],
}
any_run = st.sampled_from(list(RUNS))


def rows_of(state: State) -> tuple[Row, ...]:
    return parse(text_of(state)).rows


def text_of(state: State) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in RUNS[state])


DEFAULT = Checklist.model_validate({})


@pytest.mark.parametrize("state", RUNS)
def test_the_three_runs_have_their_verdicts(state: State) -> None:
    assert evaluate(rows_of(state), DEFAULT).verdict is state


@pytest.mark.parametrize("state", RUNS)
def test_reading_row_by_row_says_the_same_at_every_row(state: State) -> None:
    reader, rows = Judge(DEFAULT), rows_of(state)
    for number, row in enumerate(rows, 1):
        reader.see(row)
        assert reader.verdict() == evaluate(rows[:number], DEFAULT)


@given(any_run, st.data())
def test_duplicate_rows_change_nothing(state: State, data: st.DataObject) -> None:
    rows = rows_of(state)
    copies = data.draw(st.lists(st.sampled_from(rows), max_size=30))
    assert evaluate([*rows, *copies], DEFAULT) == evaluate(rows, DEFAULT)


@given(any_run, st.randoms(use_true_random=False))
def test_the_order_of_rows_within_an_attempt_changes_nothing(state: State, shuffler: random.Random) -> None:
    rows = list(rows_of(state))
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    shuffled.sort(key=lambda row: row.attempt)
    assert evaluate(shuffled, DEFAULT) == evaluate(rows, DEFAULT)


@given(any_run, st.integers(0, 200))
def test_a_torn_last_line_changes_nothing(state: State, size: int) -> None:
    torn = json.dumps(validation(3, snr_db=-50.0, loss="NaN")).encode()
    rows = parse(text_of(state) + torn[: min(size, len(torn) - 1)]).rows
    assert evaluate(rows, DEFAULT) == evaluate(rows_of(state), DEFAULT)


anything = st.one_of(st.none(), st.booleans(), st.floats(), st.text(), st.lists(st.floats()))


@given(any_run, st.dictionaries(st.text().map("x_".__add__), anything, min_size=1))
def test_unknown_fields_change_nothing(state: State, extra: dict[str, Any]) -> None:
    rows = parse(b"".join(json.dumps({**extra, **row}).encode() + b"\n" for row in RUNS[state])).rows
    assert evaluate(rows, DEFAULT) == evaluate(rows_of(state), DEFAULT)


@given(any_run, st.integers(1, 10 * EPOCH), st.sampled_from(["train", "validation"]))
def test_rows_of_an_older_attempt_beyond_the_resume_change_nothing(state: State, beyond: int, kind: str) -> None:
    rows = rows_of(state)
    lost = Row(1, kind, EPOCH + beyond, 2, {"loss": math.nan, "snr_db": -30.0, "amplitude": 0.0, "nonfinite_run": 99.0})
    assert evaluate([lost, *rows], DEFAULT) == evaluate(rows, DEFAULT)


numbers = st.one_of(st.floats(), st.sampled_from([-1.0, 0.0, 0.5, 0.6, 0.75, 1.0, 5.0, 6.0]), st.none(), st.text())
some_row = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["start", "train", "validation", "sample", None]),
        "step": st.one_of(st.none(), st.integers(0, 9000), st.floats()),
        "epoch": st.one_of(st.none(), st.integers(0, 9), st.floats()),
    },
    optional=dict.fromkeys(("loss", "l1", "vq", "snr_db", "amplitude", "nonfinite_steps", "latent_power"), numbers),
)


@given(st.lists(some_row, max_size=12))
def test_no_file_upsets_the_judge(rows: list[dict[str, Any]]) -> None:
    verdict = judge(*rows)
    json.dumps(verdict.as_dict(), allow_nan=False)
    assert (verdict.verdict is State.BAD) == any(sign.acts and sign.state is State.BAD for sign in verdict.signs)
    if verdict.verdict is State.GOOD:
        assert verdict.signs
        assert all(sign.state is State.GOOD for sign in verdict.signs)
