"""Families of histories: healthy ones that no rule may end, and bad ones with the epoch at which they are BAD."""

import json
from pathlib import Path
from typing import Any

import pytest

from job.verdict.checklist_spec import Checklist
from job.verdict.rows import parse
from tests.bench.verdicts.folder import judge, judge_folder
from tests.unit.job.verdict.histories import EPOCH, STAGES, run, start, text, train, validation

RISING = (6.0, 7.5, 8.5, 9.0, 9.4, 9.6)
LOW_RATE = start(num_quantizers=1)  # 2 kbit/s
DEAD = {"perplexity": [0.6, *[0.001] * (STAGES - 1)], "codes_used": [0.9, *[0.001] * (STAGES - 1)]}
HALF_DEAD = {"perplexity": [0.6] * 4 + [0.0011] * 4, "codes_used": [0.9] * 4 + [0.001] * 4}


def at_steps(rows: list[dict[str, Any]], every: int, first: int = 0) -> list[dict[str, Any]]:
    """The same rows with other steps between them."""
    return [{**row, "step": first + every * number, "epoch": 1} for number, row in enumerate(rows)]


def perceptual(*mels: float, **values: Any) -> list[dict[str, Any]]:
    rows = [validation(epoch, -2.0, amplitude=0.9, mel_distance=mel) for epoch, mel in enumerate(mels, 1)]
    return [validation(0, 0.0), *({**row, **values} for row in rows)]


HEALTHY: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "2 kbit/s on its way to 3 dB": ("waveform", [LOW_RATE, *run(0.5, 0.8, 1.4, 1.9, 2.3, 2.6, 2.9, 3.0)]),
    "2 kbit/s converged at 1.2 dB": ("waveform", [LOW_RATE, *run(0.8, 1.0, *[1.2] * 8)]),
    "8 kbit/s converged at 4.6 dB": ("waveform", [start(num_quantizers=4), *run(3.0, 4.2, *[4.6] * 8)]),
    "6 kbit/s with a level that L1 has shrunk": (
        "waveform",
        [start(num_quantizers=3), *run(1.8), validation(2, 2.4, amplitude=0.48), validation(3, 2.9, amplitude=0.53)],
    ),
    "no rate known, honest at 1.1 dB": ("waveform", run(1.1, 1.3, 1.6, 2.2, 3.0)),
    "a plateau until the learning rate decays": ("waveform", run(4.2, 4.6, *[4.9] * 6, 5.6, 6.4)),
    "a swing of the level in one row": ("waveform", [*run(6.0, 7.0), validation(3, 5.7, amplitude=0.58), *run(8)[1:]]),
    "a low level while the SNR rises": (
        "waveform",
        [*run(), *(validation(epoch, snr, amplitude=0.55) for epoch, snr in ((1, 3.0), (2, 3.9), (3, 4.8)))],
    ),
    "a warm start that dips": ("waveform", [validation(0, 5.6), *run(4.8, 5.2, 5.9, 6.6)[1:]]),
    "a strong warm start that dips by 2.5 dB twice": ("waveform", [validation(0, 9.5), *run(7.0, 7.0, 8.0, 9.6)[1:]]),
    "epochs from 0": ("waveform", [{**row, "epoch": row["epoch"] - 1} for row in run(4.9, 4.8, 5.6, 6.4)[1:]]),
    "a warm restart, back at once": ("waveform", run(*RISING, 5.5, 8.9, 10.0)),
    "a warm restart, slowly back": ("waveform", run(*RISING, 5.0, 5.9, 7.0, 8.5, 9.9)),
    "validations inside an epoch, with noise": (
        "waveform",
        at_steps([validation(0, 4.3 + number * 0.06 + (-1) ** number * 0.15) for number in range(40)], 250, 3000),
    ),
    "three crops": ("waveform", run(5.5, 4.2, 6.9, 3.1, 7.2, 4.0, 3.9, 4.1, crops=3)),
    "a loss of another scale": ("waveform", run(*RISING, loss=26.5)),
    "a generator's loss and nothing else": (
        "waveform",
        [{"kind": "validation", "epoch": n, "step": 20_000 * n, "loss": 70.0 - n, "disc_loss": 10.0} for n in range(6)],
    ),
    "a bump when the discriminator starts": ("perceptual", perceptual(0.9, 0.7, 0.98, 0.8, 0.65, 0.55)),
    "a plateau of a low-rate perceptual model": ("perceptual", perceptual(1.0, 0.9, *[0.86] * 8)),
    "a lag of one sample by chance": ("waveform", [*run(), validation(1, 3.0, lag=1), validation(2, 4.1, lag=1)]),
    "a valley that is longer than min_steps": (
        "waveform",
        [validation(0, 0.0), validation(1, 0.0, mel_distance=1.6), *run(0, 3.5, 7)[2:]],
    ),
    "a valley of a small batch": ("waveform", [start(batch_size=8), *run(0.0, 3.5, 7.0)]),
    "a valley of a long warm-up": ("waveform", [start(warmup_steps=3000), *run(0.0, 3.5, 7.0)]),
    "one dead stage of eight": ("waveform", run(*RISING, perplexity=[0.6] * 7 + [0.001], codes_used=[0.9] * 8)),
    "late stages that few frames use": ("waveform", [start(mean_quantizers=4), *run(*RISING, **HALF_DEAD)]),
    "fp16 overflows": (
        "waveform",
        [start(), *(train(100 * n, nonfinite_steps=n // 4) for n in range(1, 120)), *run(*RISING)],
    ),
    "a cosine that ends at zero": (
        "waveform",
        [start(), *(train(100 * n, lr=3e-4 * max(1 - n / 180, 1e-7)) for n in range(1, 181)), *run(*RISING)],
    ),
    "a warm-up from next to nothing": ("waveform", [*(train(20 * n, lr=1e-9 * 2**n) for n in range(1, 18)), *run(6)]),
    "silence in training until step 3000": ("waveform", [*run(), *(train(10 * n, l1=0.114) for n in range(1, 300))]),
    "another validation set": ("waveform", [*run(*RISING), validation(7, 5.5, crops=80), validation(8, 5.6, crops=80)]),
}

BAD: dict[str, tuple[str, list[dict[str, Any]], str, int]] = {
    "a sudden loss after GOOD": ("waveform", run(*RISING, *[2.1] * 9), "lost_progress", 8),
    "a slow sink after GOOD": ("waveform", run(*RISING, *(9.6 - 0.5 * n for n in range(1, 15))), "lost_progress", 13),
    "a slow divergence of the spectrum": (
        "perceptual",
        perceptual(0.5, *(0.5 + 0.03 * n for n in range(1, 20))),
        "lost_progress",
        11,
    ),
    "a warm start that is destroyed": ("waveform", [validation(0, 9.0), *run(3.0, 3.1, 3.2)[1:]], "lost_progress", 2),
    "7 of 8 stages dead": ("waveform", run(*RISING, **DEAD), "dead_stages", 2),
    "7 of 8 stages dead, perceptual": ("perceptual", perceptual(0.5, 0.45, 0.4, **DEAD), "dead_stages", 2),
    "half of the stages dead after GOOD": (
        "waveform",
        [*run(*RISING), *(validation(epoch, 9.7, **HALF_DEAD) for epoch in (7, 8))],
        "dead_stages",
        8,
    ),
    "no progress": ("waveform", run(*(2.3 + n / 1000 for n in range(20))), "improvement", 4),
    "no progress at 3.5 dB and 16 kbit/s": ("waveform", [start(), *run(*[3.5] * 9)], "improvement", 4),
    "a bypassed quantizer": ("waveform", [start(), *run(38.0, 41.0)], "bypassed_codes", 1),
    "a bypassed quantizer at a rate nobody knows": (
        "waveform",
        run(38.0, 41.0, vq=0.0, perplexity=[0.001] * STAGES, codes_used=[0.001] * STAGES),
        "bypassed_codes",
        1,
    ),
    "NaN in a metric that nobody judges": (
        "waveform",
        [*run(6), validation(2, 7, mel_distance="NaN")],
        "non_finite",
        2,
    ),
    "NaN in the codebooks": ("waveform", [*run(6), validation(2, 7, perplexity=["NaN"] * 8)], "non_finite", 2),
    "a low level twice": ("waveform", run(*[2.5] * 4, amplitude=0.5), "amplitude", 2),
    "a level below what 16 kbit/s explain": ("waveform", [start(), *run(1.1, 1.2)], "amplitude", 1),
    "one batch for ever": (
        "waveform",
        [validation(0, 0.0), *(train(100 * n, l1=0.08 * 0.8**n) for n in range(1, 30)), validation(1, -3.0)],
        "empty_training",
        1,
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_history_is_bad_at_none_of_its_rows(name: str) -> None:
    recipe, rows = HEALTHY[name]
    found = judge({}, parse(text(rows)).rows, Checklist.for_recipe(recipe))
    assert found.bad_at is None, found.verdict.summary


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_bad_in_its_epoch_and_names_its_cause(name: str) -> None:
    recipe, rows, sign, epoch = BAD[name]
    found = judge({}, parse(text(rows)).rows, Checklist.for_recipe(recipe))
    assert found.bad_at is not None, found.verdict.summary
    assert found.bad_at.epoch == epoch, found.verdict.summary
    first = next(sign.sign for sign in found.verdict.signs if sign.state == "bad")
    assert first == sign, found.verdict.summary


@pytest.mark.parametrize(
    ("rows", "step"),
    [
        ([train(100 * n, lr=0.0) for n in range(1, 20)], 300),
        ([train(100 * n, lr=3e-9) for n in range(1, 20)], 300),
        ([train(10 * n, lr=0.0) for n in range(1, 40)], 110),
        ([*(train(10 * n) for n in range(1, 9)), *(train(100 * n, lr=0.0) for n in range(1, 20))], 300),
        ([train(20_000 + 24 * n, lr=7e-111) for n in range(20)], 20_120),
        ([*run(*RISING), *(train(6 * EPOCH + 50 * n, lr=0.0) for n in range(1, 20))], 6 * EPOCH + 150),
    ],
)
def test_a_rate_of_learning_of_nothing_is_bad_at_any_time(rows: list[dict[str, Any]], step: int) -> None:
    found = judge({}, parse(text(rows)).rows, Checklist.for_recipe("waveform"))
    assert found.bad_at is not None
    assert found.bad_at.step == step
    assert "nothing can be learnt" in found.verdict.summary


def test_the_plateau_of_the_training_loss_needs_no_validation() -> None:
    baseline = validation(0, 0.0)
    silent = [train(100 * n, l1=0.112 + n % 3 / 1000) for n in range(1, 60)]
    found = judge({}, parse(text([baseline, *silent])).rows, Checklist.for_recipe("waveform"))
    assert found.bad_at is not None and found.bad_at.step == 4500
    louder = [train(100 * n, l1=0.112 + n / 400) for n in range(1, 60)]
    found = judge({}, parse(text([baseline, *louder])).rows, Checklist.for_recipe("waveform"))
    assert found.bad_at is not None and found.bad_at.step == 1700


def test_a_folder_of_histories_is_judged_by_its_manifest(tmp_path: Path) -> None:
    manifest = []
    for number, (name, (recipe, rows)) in enumerate(HEALTHY.items()):
        (tmp_path / f"{number}.jsonl").write_bytes(text(rows))
        manifest.append({"name": name, "file": f"{number}.jsonl", "recipe": recipe})
    (tmp_path / "bad.jsonl").write_bytes(text(BAD["no progress"][1]))
    wrong = {"name": "no progress", "file": "bad.jsonl", "recipe": "waveform"}
    cases = [{"min_steps": 3000, "expected": "not bad", **case} for case in (*manifest, wrong)]
    (tmp_path / "manifest.json").write_text(json.dumps(cases))
    found = list(judge_folder(tmp_path))
    assert [judged.case["name"] for judged in found if not judged.right] == ["no progress"]
    assert "wanted not bad" in found[-1].line()


def test_a_limit_of_the_users_own_condemns_alone() -> None:
    swing, scaled = HEALTHY["a swing of the level in one row"][1], HEALTHY["a loss of another scale"][1]
    for rows, signs in ((swing, {"amplitude": {"bad_below": 0.59}}), (scaled, {"loss": {"bad_above": 20.0}})):
        checklist = Checklist.model_validate({"signs": signs})
        assert judge({}, parse(text(rows)).rows, checklist).bad_at is not None
    strict = Checklist.model_validate("strict")
    assert judge({}, parse(text(swing)).rows, strict).bad_at is not None
