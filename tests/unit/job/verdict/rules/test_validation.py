import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.verdict.checklist import evaluate
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import parse
from job.verdict.signs import Severity, State, Verdict

EPOCH = 3000
START = {
    "kind": "start",
    "step": 0,
    "epoch": 0,
    "time": 1.0,
    "steps_per_epoch": EPOCH,
    "config": {"codebook_size": 1024},
}
BASELINE = {"kind": "validation", "step": 0, "epoch": 0, "loss": 0.6, "snr_db": -0.2, "amplitude": 0.1}
ALONE = {"signs": {"loss": None, "snr_db": None, "amplitude": None}, "improvement": None}


def honest(snr: float, epoch: int, step: int | None = None, **values: Any) -> dict[str, Any]:
    """A row of a decoder that does its best at an SNR: everything follows from that."""
    rho = math.sqrt(1 - 10 ** (-snr / 10))
    row = {
        "kind": "validation",
        "step": epoch * EPOCH if step is None else step,
        "epoch": epoch,
        "loss": 0.2,
        "l1_ratio": 10 ** (-snr / 20),
        "snr_db": snr,
        "si_sdr_db": 10 * math.log10(rho**2 / (1 - rho**2)) if rho else -100.0,
        "amplitude": rho,
        "correlation": rho,
        "dc_offset": 0.001,
        "lag": 0,
        "perplexity": [0.5, 0.4],
        "codes_used": [0.9, 0.8],
        "crops": 64,
    }
    return {**row, **values}


def judge(*rows: dict[str, Any], **checklist: Any) -> Verdict:
    log = parse(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return evaluate(log.rows, Checklist.model_validate(checklist))


def bad_signs(*rows: dict[str, Any], **checklist: Any) -> list[str]:
    return [sign.sign for sign in judge(*rows, **checklist).signs if sign.state is State.BAD]


def warnings(verdict: Verdict) -> list[str]:
    return [sign.sign for sign in verdict.signs if sign.severity is Severity.WARNING]


def test_honest_rows_show_nothing() -> None:
    for snr in (3.8, 5.1, 9.0, 14.5, 24.0):
        verdict = judge(START, BASELINE, honest(snr, 1))
        assert verdict.verdict is (State.GOOD if snr > 5 else State.UNDECIDED)
        assert [sign.sign for sign in verdict.signs] == ["loss", "snr_db", "amplitude", "improvement"]


# Each sign by itself: the row, and how many of them it takes.

WRONG: dict[str, tuple[dict[str, Any], int]] = {
    "zero_correlation": ({"correlation": -0.049}, 3),
    "silent_plateau": ({"l1_ratio": 0.98}, 1),
    "codebook_collapse": ({"perplexity": [0.011, 0.008], "codes_used": [0.02, 0.0]}, 2),
    "gain_fault": ({"si_sdr_db": 7.01}, 1),
    "inverted": ({"correlation": -0.51}, 1),
    "dc_shift": ({"dc_offset": -0.31}, 1),
    "misalignment": ({"lag": 80}, 2),
}
WITHIN: dict[str, dict[str, Any]] = {
    "zero_correlation": {"correlation": 0.05},
    "silent_plateau": {"l1_ratio": 0.979},
    "codebook_collapse": {"perplexity": [0.012, 0.009], "codes_used": [0.02, 0.02]},
    "gain_fault": {"si_sdr_db": 6.99},
    "inverted": {"correlation": -0.5},
    "dc_shift": {"dc_offset": 0.3},
    "misalignment": {"lag": 0},
}


@pytest.mark.parametrize("cause", WRONG)
def test_a_cause_is_bad_after_its_rows(cause: str) -> None:
    wrong, patience = WRONG[cause]
    rows = [honest(4.0, epoch, **wrong) for epoch in range(1, patience + 1)]
    assert judge(START, *rows[:-1], **ALONE).verdict is State.UNDECIDED
    verdict = judge(START, *rows, **ALONE)
    (sign,) = [sign for sign in verdict.signs if sign.state is State.BAD]
    assert (verdict.verdict, sign.sign, sign.epoch) == (State.BAD, cause, patience)
    assert "Usually" in sign.hint
    assert verdict.summary == f"{sign.message}. {sign.hint}"


@pytest.mark.parametrize("cause", WITHIN)
def test_a_value_within_the_limit_shows_nothing(cause: str) -> None:
    rows = [honest(4.0, epoch, **WITHIN[cause]) for epoch in range(1, 6)]
    assert judge(START, *rows, **ALONE).verdict is State.UNDECIDED


@pytest.mark.parametrize("cause", WRONG)
def test_a_cause_in_the_grace_is_shown_and_leaves_no_strike(cause: str) -> None:
    wrong, patience = WRONG[cause]
    early = [honest(4.0, 1, step=100 * number, **wrong) for number in range(1, 6)]
    verdict = judge(START, BASELINE, *early)
    assert verdict.verdict is State.UNDECIDED
    assert [sign.acts for sign in verdict.signs if sign.sign == cause] == [False]
    later = [honest(4.0, epoch, **wrong) for epoch in range(2, 1 + patience)]
    assert judge(START, *early, *later, **ALONE).verdict is State.UNDECIDED


@pytest.mark.parametrize("cause", WRONG)
def test_beside_good_figures_a_cause_is_a_warning(cause: str) -> None:
    wrong = WRONG[cause][0] | ({"si_sdr_db": 20.0} if cause == "gain_fault" else {})
    verdict = judge(START, BASELINE, *(honest(8.0 + epoch, epoch, **wrong) for epoch in range(1, 6)))
    assert verdict.verdict is State.GOOD
    assert warnings(verdict) == [cause]
    assert "; warning: " in verdict.summary


@pytest.mark.parametrize("cause", WRONG)
def test_a_cause_can_be_switched_off(cause: str) -> None:
    rows = [honest(4.0, epoch, **WRONG[cause][0]) for epoch in range(1, 6)]
    assert judge(START, *rows, **ALONE, causes={cause: None}).verdict is State.UNDECIDED


@pytest.mark.parametrize("metric", ["correlation", "l1_ratio", "perplexity", "snr_db", "lag", "dc_offset", "crops"])
@pytest.mark.parametrize("value", [None, "NaN", [], "lost"])
def test_what_a_row_does_not_say_is_never_a_cause(metric: str, value: Any) -> None:
    if value == "NaN" and metric not in ("lag", "crops"):
        return  # that is a fault of its own
    rows = [honest(4.0, epoch, **{metric: value}) for epoch in range(1, 6)]
    assert judge(START, *rows, **ALONE).verdict is State.UNDECIDED


@pytest.mark.parametrize(("snr", "amplitude"), [(-1.11, 0.53), (-0.61, 0.38), (-0.03, 0.07), (0.03, 0.01)])
def test_a_correlation_that_is_not_written_follows_from_snr_and_amplitude(snr: float, amplitude: float) -> None:
    row = {"kind": "validation", "step": 3000, "epoch": 5, "loss": 0.2, "snr_db": snr, "amplitude": amplitude}
    assert ("zero_correlation" in bad_signs(row)) is (amplitude > 0.05)
    assert "zero_correlation" not in bad_signs({**row, "snr_db": 0.53, "amplitude": 0.285})


# Strikes.


def test_a_row_without_the_sign_clears_the_count_and_a_missing_metric_does_not() -> None:
    def rows(*values: float | None) -> list[dict[str, Any]]:
        # Without SNR too, or the correlation would follow.
        return [honest(4.0, epoch, correlation=value, snr_db=None) for epoch, value in enumerate(values, 1)]

    assert judge(*rows(0.0, 0.0, 0.3, 0.0, 0.0), **ALONE).verdict is State.UNDECIDED
    assert bad_signs(*rows(0.0, None, 0.0, 0.0), **ALONE) == ["zero_correlation"]


def test_a_cause_beside_a_bad_table_is_named_first_and_needs_no_patience() -> None:
    silent = honest(0.0, 1, amplitude=0.01, correlation=0.01, l1_ratio=0.999)
    verdict = judge(START, BASELINE, silent)
    assert bad_signs(START, BASELINE, silent) == ["zero_correlation", "silent_plateau", "amplitude"]
    assert verdict.summary.startswith("the output has nothing to do with the input")
    assert "dead codebooks" in verdict.summary


def test_a_cause_condemns_a_run_that_was_good() -> None:
    fallen = [honest(4.5, epoch, perplexity=[0.002, 0.001], codes_used=[0.002, 0.001]) for epoch in (2, 3)]
    assert judge(START, BASELINE, honest(8.0, 1), fallen[0]).verdict is State.GOOD
    assert bad_signs(START, BASELINE, honest(8.0, 1), *fallen)[0] == "codebook_collapse"


# Code use.


def collapsed(start: dict[str, Any] = START, **values: Any) -> bool:
    rows = [honest(4.0, epoch, **{"codes_used": None, **values}) for epoch in (1, 2)]
    return "codebook_collapse" in bad_signs(start, *rows, **ALONE, causes={"dead_stages": None})


@pytest.mark.parametrize(
    ("perplexity", "size", "expected"),
    [
        ([0.001] * 8, 1024, True),
        ([0.6, *[0.001] * 7], 1024, False),  # one stage that works carries the run
        ([1.0, 1.0], 1024, True),  # a number of codes
        ([37.0, 12.0], 1024, False),
        ([4.0, 3.0], 1024, True),
        ([37.0, 12.0], None, False),
        ([1.2, 1.1], None, True),
        (1.05, None, True),
        ([0.98, 0.97], 2, False),  # two codes are all there are
        ([0.51, 0.5], 2, True),
        ([0.03, 0.02], 64, False),  # about 1.6 codes
        ([0.02, 0.02], 64, True),
    ],
)
def test_code_use_as_a_share_or_a_number(perplexity: Any, size: int | None, expected: bool) -> None:
    start = {**START, "config": {"codebook_size": size}}
    assert collapsed(start, perplexity=perplexity) is expected


def test_low_use_of_codes_means_nothing_with_few_crops_or_many_codes_used() -> None:
    low = [0.005, 0.005]
    assert collapsed(perplexity=low)
    assert not collapsed(perplexity=low, crops=3)
    assert not collapsed(perplexity=low, codes_used=[0.4, 0.3])


# Gain.


def test_an_output_that_is_too_quiet_for_its_snr_is_a_gain_fault() -> None:
    rows = [honest(4.0, 1, amplitude=0.38, si_sdr_db=None)]
    assert bad_signs(START, *rows, **ALONE) == ["gain_fault"]
    assert not bad_signs(START, honest(4.0, 1, amplitude=0.4), **ALONE)
    assert not bad_signs(START, honest(1.0, 1, amplitude=0.1), **ALONE)


def test_a_low_si_sdr_is_no_gain_fault() -> None:
    assert not bad_signs(START, honest(4.0, 1, si_sdr_db=-3.0, snr_db=-8.0), **ALONE)


def test_a_copy_of_shifted_clips_is_shifted_rightly() -> None:
    assert not bad_signs(START, honest(4.0, 1, dc_offset=0.5, dc_original=0.45), **ALONE)
    assert bad_signs(START, honest(4.0, 1, dc_offset=0.0, dc_original=0.45), **ALONE) == ["dc_shift"]


# Lag.


def test_the_lag_of_unrelated_signals_is_chance() -> None:
    jumping = [honest(4.0, epoch, lag=lag) for epoch, lag in enumerate((80, -3, 41, 7, -200), 1)]
    assert judge(START, *jumping, **ALONE).verdict is State.UNDECIDED
    unrelated = [honest(4.0, epoch, lag=80, correlation=0.04) for epoch in (1, 2)]
    assert judge(START, *unrelated, **ALONE).verdict is State.UNDECIDED


# Too good, too few, too little.


def test_a_result_that_is_too_good_in_the_first_epoch_is_bad_whatever_its_step() -> None:
    assert bad_signs(START, BASELINE, honest(61.0, 1, step=40)) == ["trivial"]
    assert judge(START, BASELINE, honest(60.0, 1)).verdict is State.GOOD
    later = judge(START, BASELINE, honest(30.0, 1), honest(61.0, 2))
    assert (later.verdict, warnings(later)) == (State.GOOD, ["trivial"])


def test_few_crops_withhold_good_and_kill_nobody() -> None:
    verdict = judge(START, BASELINE, honest(8.0, 1, crops=7))
    assert (verdict.verdict, warnings(verdict)) == (State.UNDECIDED, ["few_crops"])
    assert "not yet good: few_crops" in verdict.summary
    assert judge(START, BASELINE, honest(8.0, 1, crops=8)).verdict is State.GOOD
    assert judge(START, BASELINE, honest(8.0, 1, crops=3), causes={"few_crops": None}).verdict is State.GOOD


def test_steps_that_were_not_counted_are_a_warning() -> None:
    begun = honest(0.1, 0, step=0)
    assert warnings(judge(START, begun, honest(4.0, 1, step=2600))) == ["skipped_steps"]
    assert warnings(judge(START, begun, honest(4.0, 1, step=2800))) == []
    resumed = {**START, "step": 2600, "time": 9.0}
    assert warnings(judge(START, begun, resumed, honest(4.0, 1, step=2600))) == []


def test_a_plan_too_short_for_a_verdict_is_said() -> None:
    verdict = judge({**START, "planned_steps": 300}, BASELINE, honest(0.1, 45, step=135))
    assert "plans 300 steps, too few" in verdict.summary


# Recipes.


def test_a_perceptual_run_near_0_db_is_good() -> None:
    perceptual = {"amplitude": 0.95, "correlation": 0.02, "l1_ratio": 1.2, "si_sdr_db": -20.0, "lag": 40}
    rows = [
        {**BASELINE, "mel_distance": 2.0},
        *(honest(0.0, epoch, snr_db=-1.5, mel_distance=0.5 - epoch / 100, **perceptual) for epoch in (1, 2, 3)),
    ]
    assert judge(START, *rows, recipe="perceptual").verdict is State.GOOD
    assert judge(START, *rows).verdict is State.BAD


@pytest.mark.parametrize(
    ("name", "value"), [("mel_distance", 1.3), ("amplitude", 0.2), ("amplitude", 3.1), ("perplexity", [0.001, 0.001])]
)
def test_a_perceptual_run_can_be_bad(name: str, value: Any) -> None:
    row = honest(0.0, 1, mel_distance=0.5, amplitude=0.9) | {name: value}
    assert name in bad_signs(START, {**BASELINE, "mel_distance": 2.0}, row, recipe="perceptual")


def test_a_cause_that_a_recipe_leaves_out_can_be_asked_for() -> None:
    perceptual = Checklist.for_recipe("perceptual")
    assert perceptual.causes["zero_correlation"] is None
    asked = Checklist.model_validate({"recipe": "perceptual", "causes": {"zero_correlation": {"rows": 5}}})
    limit = asked.causes["zero_correlation"]
    assert limit is not None
    assert (limit.limit, limit.rows) == (0.05, 5)


# Healthy runs, drawn at random: valley, noise, a resume, one bad step. Nobody may touch them.


@given(
    silent_until=st.integers(200, 2600),
    final=st.floats(5.5, 14.0),
    epoch_steps=st.sampled_from([3, 50, 700, 3000, 9000]),
    noise=st.lists(st.floats(-0.3, 0.3), min_size=40, max_size=40),
    nan_at=st.integers(1, 30),
    resumed=st.booleans(),
)
def test_no_healthy_run_is_touched(
    silent_until: int, final: float, epoch_steps: int, noise: list[float], nan_at: int, resumed: bool
) -> None:
    start = {**START, "steps_per_epoch": epoch_steps}
    rows = [start, honest(0.0, 0, step=0, lag=-3, correlation=-0.06, si_sdr_db=-24.0)]
    for epoch, jitter in enumerate(noise, 1):
        step = epoch * epoch_steps
        learnt = 1 - math.exp(-max(step - silent_until, 0) / 300)
        vq = 0.002 * 150 ** min(step / 100, 1.0)
        train = {
            "kind": "train",
            "step": step,
            "epoch": epoch - 1,
            "time": step / 5,
            "loss": 0.1 + vq + math.sin(epoch) / 100,
        }
        train |= {"vq": vq, "latent_power": 3 * vq, "grad_norm": 0.4 + jitter, "lr": 3e-4}
        rows.append(train | ({"loss": "NaN", "nonfinite_run": 1} if epoch == nan_at else {}))
        snr = max(final * learnt * (1 + epoch / 200) + (jitter if learnt > 0.5 else 0.0), 0.0)
        drift = {"lag": epoch % 5 - 2, "correlation": 0.01, "perplexity": [0.02, 0.01]} if learnt < 0.1 else {}
        rows.append(honest(snr, epoch, step=step, loss=0.1 + vq, **drift))
        if resumed and epoch == 20:
            rows.append({**start, "step": step, "epoch": epoch, "time": 7.0 + step})
    verdict = judge(*rows)
    assert verdict.verdict is not State.BAD, verdict.summary
