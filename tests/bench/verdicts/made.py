"""Runs that were not trained here: published figures, other trainers, and what happens to rows on their way."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from tests.bench.verdicts.case import Case, Made, Shows
from tests.bench.verdicts.record import ROWS

Rows = Iterable[dict[str, Any]]
HISTORY = "a public history of 34 runs of the trainer that this one replaces"
HEALTHY = "two healthy CPU trainings of the default strides (docs/bad-signs.md)"
BY_HAND = "made by hand"
T0 = 1_760_000_000.0
DEFAULT: dict[str, Any] = {}
TABLE_AT_ONCE = {"min_steps": 0}


def _case(
    name: str,
    kind: Literal["bad", "good"],
    what: str,
    rows: Callable[[], Rows],
    source: str,
    shows: Shows | None = None,
    checklist: dict[str, Any] | None = None,
) -> Case:
    def write() -> bytes:
        return "".join(json.dumps(row) + "\n" for row in rows()).encode()

    return Case(
        name, kind, what, Made(source, write), (shows,) if shows else (), DEFAULT if checklist is None else checklist
    )


def lost_run() -> Rows:
    """Level and SNR as published; three steps an epoch; the correlation follows from both. Nothing else is known."""
    yield _start(3, 300)
    for epoch, snr, amplitude in (
        (5, -1.11, 0.53),
        (10, -0.61, 0.38),
        (35, -0.03, 0.07),
        (40, 0.03, 0.11),
        (45, 0.53, 0.285),
    ):
        yield _validation(3 * epoch, epoch, snr_db=snr, amplitude=amplitude, correlation=_rho(snr, amplitude))


def run_of_14_db() -> Rows:
    """The last figure, 14.48 dB, is published. The way there is interpolated: a saturating curve after the valley."""
    steps = 1000
    yield _start(steps, 60 * steps)
    yield _honest(0, 0, 0.0)
    for epoch in range(1, 61):
        snr = 14.48 * (1 - math.exp(-epoch / 6)) / (1 - math.exp(-10))
        yield _honest(epoch * steps, epoch, snr)


def healthy_valley() -> Rows:
    """Amplitude and correlation near 0 until step 1250, 9.1 dB and 0.88 at 3000. Interpolated between."""
    yield _start(250, 10_000)
    for epoch in range(13):
        step = 250 * epoch
        if step <= 1250:
            fields = {"snr_db": -0.05, "amplitude": 0.02, "correlation": 0.01, "loss": 0.12, "l1_ratio": 1.0}
            yield _validation(step, epoch, **fields, perplexity=[0.02] * 8)
        else:
            yield _honest(step, epoch, 9.1 * (step - 1250) / 1750)
        yield from _train(step, epoch, 0.12, vq=1e-3)


def growing_vq() -> Rows:
    """The VQ error grows 150-fold between steps 20 and 100, the code use begins at 1 to 4%: normal at first."""
    yield _start(100, 10_000)
    yield _honest(0, 0, 0.0) | {"perplexity": [0.01] * 8}
    for step in range(10, 101, 10):
        vq = 1e-3 * 150 ** max((step - 20) / 80, 0)
        yield _training(step, 0, loss=0.1 + vq, vq=vq, latent_power=2 * vq, dead_codebook_steps=0)
    yield _honest(100, 1, 0.4) | {"perplexity": [0.03] * 8}


def dc_cheat() -> Rows:
    """The output is an offset: SNR below -10 dB at the first validation."""
    yield _start(500, 10_000)
    yield _honest(0, 0, 0.0)
    yield _validation(500, 1, loss=0.75, l1=0.7, snr_db=-13.0, amplitude=0.4, correlation=0.01, dc_offset=4.4)


def chasing_amplitude() -> Rows:
    """The level rises while the SNR falls, with no correlation."""
    yield _start(1500, 15_000)
    yield _honest(0, 0, 0.0)
    for epoch, amplitude in ((1, 0.1), (2, 0.65), (3, 0.9), (4, 1.2)):
        snr = -10 * math.log10(1 + amplitude**2)
        yield _validation(1500 * epoch, epoch, snr_db=snr, amplitude=amplitude, correlation=0.0, loss=0.3)


def loss_without_correlation() -> Rows:
    """The loss falls by 93% and the SNR rises by 8 dB, and the correlation stays at 0."""
    yield _start(1000, 20_000)
    yield _validation(0, 0, snr_db=-9.0, amplitude=2.6, correlation=0.0, loss=2.59)
    for epoch in range(1, 9):
        snr = -8.0 * math.exp(-epoch / 2) - 0.02
        amplitude = math.sqrt(10 ** (-snr / 10) - 1)
        loss = 2.59 * (0.07 + 0.93 * math.exp(-epoch))
        yield _validation(1000 * epoch, epoch, snr_db=snr, amplitude=amplitude, correlation=0.0, loss=loss)


def gan_explosion() -> Rows:
    """The validation loss more than doubles in the epoch in which the adversarial loss starts."""
    yield _start(1000, 40_000)
    yield _honest(0, 0, 0.0)
    for epoch in range(1, 8):
        yield _honest(1000 * epoch, epoch, 1.0 + epoch / 2)
    yield _training(7500, 7, loss=9.0, disc_loss=1.9, gen_loss=8.0, feature_loss=0.3)
    yield _honest(8000, 8, 0.2) | {"loss": 0.75, "disc_loss": 0.4, "gen_loss": 30.0, "feature_loss": 0.9}


def dead_discriminator() -> Rows:
    """Hinge loss 2.00 and features that hardly differ, for epochs on end."""
    yield _start(1000, 40_000)
    yield _honest(0, 0, 0.0)
    for epoch in range(1, 12):
        yield _honest(1000 * epoch, epoch, 0.5 * epoch + 1) | {
            "disc_loss": 2.005,
            "feature_loss": 0.01,
            "gen_loss": 0.02,
        }


def starved_gpu() -> Rows:
    """A file of 1.6 hours is decoded for each crop: 12 s a step on a GPU."""
    yield _start(500, 50_000) | {"device": "cuda"}
    yield _honest(0, 0, 0.0)
    for row in range(1, 12):
        yield _training(row, 0, loss=0.2 - row / 100, audio_seconds_per_second=1.33) | {"time": T0 + 12.0 * row}


def nan_of_another_trainer() -> Rows:
    """Rows without kinds or counters, with the NaN as Python prints it."""
    for step in range(0, 200, 10):
        loss = 0.3 - step / 1000 if step < 60 else "nan"
        yield {"step": step, "epoch": 0, "loss": loss, "lr": 3e-4}


def nan_in_validation() -> Rows:
    """Training looks well; the validation has a NaN."""
    yield _start(1000, 40_000)
    yield _honest(0, 0, 0.0)
    yield from _train(990, 0, 0.1)
    yield _honest(1000, 1, 6.0) | {"snr_db": "NaN"}


def gan_that_works() -> Rows:
    """A perceptual training: the adversarial loss starts, the generator's loss is 40 times as much, SNR is near 0."""
    yield _start(1000, 40_000)
    for epoch in range(25):
        adversarial = {"disc_loss": 1.6, "gen_loss": 12.0 + epoch % 3, "feature_loss": 1.2} if epoch >= 4 else {}
        yield _validation(
            1000 * epoch,
            epoch,
            loss=0.3,
            snr_db=-0.8 + 0.3 * (epoch % 2),
            amplitude=0.1 if epoch == 0 else 0.93,
            correlation=0.2,
            mel_distance=0.35 + 1.5 * math.exp(-epoch / 2),
            perplexity=[0.4] * 8,
            **adversarial,
        )
        yield _training(1000 * epoch + 500, epoch, loss=40.0 if adversarial else 1.0, **adversarial)


def slow_cpu() -> Rows:
    """Twelve seconds a step on a laptop's CPU, which is slow and not starved."""
    for number, row in enumerate(healthy_valley()):
        yield row | {"time": T0 + 3000.0 * number, "device": "cpu"}


def slept() -> Rows:
    """The machine was asleep for ten hours in the middle."""
    rows = list(_base())
    for number, row in enumerate(rows):
        yield row | {"time": row["time"] + (36_000 if number > len(rows) // 2 else 0)}


def without_most_fields() -> Rows:
    """Another trainer's file: no kinds, no training rows, three metrics."""
    for row in _base():
        if row["kind"] == "validation":
            yield {name: row[name] for name in ("step", "epoch", "loss", "snr_db")}


def without_baseline() -> Rows:
    """No row of epoch 0."""
    return (row for row in _base() if row["kind"] == "train" or row["step"])


def out_of_order() -> Rows:
    """Every row comes after the one that follows it."""
    rows = list(_base())
    for first, second in zip(rows[1::2], rows[2::2], strict=False):
        yield second
        yield first


def duplicated() -> Rows:
    """Every row comes three times, as after retries."""
    for row in _base():
        yield from (row, row, row)


def worse_late_epochs() -> Rows:
    """A converged run: 30 more epochs around its best figure, half a decibel up and down."""
    rows = list(_base())
    yield from rows
    last = rows[-1]
    for more in range(1, 31):
        change = 0.5 * math.sin(2.4 * more)
        step, epoch = last["step"] + 40 * more, last["epoch"] + more
        yield last | {"step": step, "epoch": epoch, "snr_db": last["snr_db"] + change}


def rounded() -> Rows:
    """Another trainer writes three digits, so that its loss repeats."""
    for row in _base():
        yield {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}
    for number in range(40):
        yield _training(121 + number, 3, loss=0.04)


def torn() -> bytes:
    """Half a line from a writer that was killed, and half a line at the end."""
    lines = (ROWS / "base.jsonl").read_bytes().splitlines(keepends=True)
    return b"".join([*lines[:9], lines[9][:40] + b"\n", *lines[10:], lines[-2][:60]])


MADE = [
    _case(
        "lost_run",
        "bad",
        "-1.11 dB at epoch 5, stopped by hand at epoch 45; judged from step 0 on, since 300 planned steps never reach "
        "the default min_steps (which preflight refuses)",
        lost_run,
        f"{HISTORY}; figures as published",
        Shows(epoch=1),
        TABLE_AT_ONCE,
    ),
    _case("dc_cheat", "bad", "the output is an offset", dc_cheat, f"{HISTORY}; limits as published", Shows(epoch=1)),
    _case(
        "chasing_amplitude",
        "bad",
        "the level rises, the SNR falls",
        chasing_amplitude,
        f"{HISTORY}; figures made up",
        Shows(epoch=2),
    ),
    _case(
        "loss_without_correlation",
        "bad",
        "the loss fell by 93%, the correlation stayed 0",
        loss_without_correlation,
        f"{HISTORY}; ends as published, way made up",
        Shows(epoch=3),
    ),
    _case(
        "gan_explosion",
        "bad",
        "the loss more than doubles as the adversarial loss starts",
        gan_explosion,
        f"{HISTORY}; figures made up",
        Shows(epoch=8),
    ),
    _case(
        "dead_discriminator",
        "bad",
        "hinge loss 2.00 for three epochs, once it has had min_steps to wake up",
        dead_discriminator,
        f"{HISTORY}; limits as published",
        Shows(epoch=4),
    ),
    _case(
        "starved_gpu",
        "bad",
        "12 s a step, shown by the first minute of them",
        starved_gpu,
        f"{HISTORY}; seconds a step as published",
        Shows("train", nth=6, epoch=0),
    ),
    _case(
        "nan_of_another_trainer",
        "bad",
        "NaN in ten rows in a row, in a file without counters",
        nan_of_another_trainer,
        BY_HAND,
        Shows("train", nth=10, epoch=0, metric="loss", test="not finite"),
    ),
    _case("nan_in_validation", "bad", "a validation that is NaN", nan_in_validation, BY_HAND, Shows(epoch=1)),
    _case(
        "run_of_14_db",
        "good",
        "the run that worked",
        run_of_14_db,
        f"{HISTORY}; the end as published, the way interpolated",
    ),
    _case(
        "healthy_valley", "good", "silence until step 1250, 9.1 dB at 3000", healthy_valley, f"{HEALTHY}; interpolated"
    ),
    _case(
        "growing_vq", "good", "VQ error 150-fold, few codes in the first steps", growing_vq, f"{HEALTHY}; interpolated"
    ),
    _case(
        "gan_that_works",
        "good",
        "a perceptual training near 0 dB",
        gan_that_works,
        BY_HAND,
        None,
        {"recipe": "perceptual"},
    ),
    _case("slow_cpu", "good", "hours a row on a CPU", slow_cpu, "healthy_valley with other times"),
    _case("slept", "good", "the machine slept for ten hours", slept, "base with other times", None, {"min_steps": 40}),
    _case(
        "without_most_fields",
        "good",
        "three metrics and no kinds",
        without_most_fields,
        "base, thinned",
        None,
        {"min_steps": 40},
    ),
    _case("without_baseline", "good", "no row of epoch 0", without_baseline, "base, thinned", None, {"min_steps": 40}),
    _case("out_of_order", "good", "neighbours swapped", out_of_order, "base, reordered", None, {"min_steps": 40}),
    _case("duplicated", "good", "every row three times", duplicated, "base, repeated", None, {"min_steps": 40}),
    _case(
        "worse_late_epochs",
        "good",
        "30 epochs on a plateau",
        worse_late_epochs,
        "base, continued by hand",
        None,
        {"min_steps": 40},
    ),
    _case(
        "rounded", "good", "three digits, so that the loss repeats", rounded, "base, rounded", None, {"min_steps": 40}
    ),
    Case("torn", "good", "half lines from a killed writer", Made("base, cut", torn)),
]


def _start(steps_per_epoch: int, planned: int) -> dict[str, Any]:
    config = {"codebook_size": 1024, "num_quantizers": 8, "learning_rate": 3e-4}
    return {
        "kind": "start",
        "step": 0,
        "epoch": 0,
        "time": T0,
        "config": config,
        "steps_per_epoch": steps_per_epoch,
        "planned_steps": planned,
        "device": "cpu",
    }


def _validation(step: int, epoch: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "validation", "step": step, "epoch": epoch, "time": T0 + step / 5, "crops": 64, **fields}


def _training(step: int, epoch: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "train", "step": step, "epoch": epoch, "time": T0 + step / 5, **fields}


def _train(until: int, epoch: int, loss: float, **fields: float) -> Iterator[dict[str, Any]]:
    """Five training rows, a hair apart."""
    for number in range(5):
        falling = loss * (1.02 - 0.005 * number)
        yield _training(until + number, epoch, loss=falling, l1=falling, grad_norm=0.5, nonfinite_steps=0, **fields)


def _honest(step: int, epoch: int, snr: float) -> dict[str, Any]:
    """What a decoder that shrinks its output as much as its SNR asks for would score."""
    left = 10 ** (-snr / 10)
    amplitude = math.sqrt(max(1 - left, 0.0))
    return _validation(
        step,
        epoch,
        loss=0.11 * math.sqrt(left),
        l1=0.11 * math.sqrt(left),
        vq=1e-3,
        l1_ratio=math.sqrt(left),
        snr_db=snr,
        si_sdr_db=snr,
        amplitude=amplitude,
        correlation=amplitude,
        dc_offset=0.0,
        lag=0,
        perplexity=[0.4] * 8,
        codes_used=[0.9] * 8,
        mel_distance=0.3 + left,
    )


def _rho(snr: float, amplitude: float) -> float:
    """Correlation of an output without offset: (1 + g² - 10^(-SNR/10)) / 2g."""
    return (1 + amplitude**2 - 10 ** (-snr / 10)) / (2 * amplitude)


def _base() -> Iterator[dict[str, Any]]:
    for line in (ROWS / "base.jsonl").read_text().splitlines():
        yield json.loads(line)
