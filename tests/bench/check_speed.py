"""Time and memory of `codecjob check` on a large file: python -m tests.bench.check_speed."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click


def write(path: Path, train: int, validation: int) -> None:
    """Write the rows of a healthy run as `codec train` writes them."""
    draw = random.Random(1).random
    each = max(train // validation, 1)
    with path.open("w") as out:

        def row(**fields: object) -> None:
            out.write(json.dumps(fields) + "\n")

        planned = 10 * each * validation
        row(kind="start", step=0, epoch=0, time=1.7e9, steps_per_epoch=10 * each, planned_steps=planned, device="cuda")
        step = 0
        for epoch in range(validation):
            for _ in range(each):
                step += 10
                row(
                    kind="train", epoch=epoch, step=step, time=1.7e9 + step / 10, loss=0.05 + 0.01 * draw(),
                    l1=0.04 + 0.01 * draw(), vq=0.01 + 0.001 * draw(), latent_power=1 + 0.1 * draw(), grad_norm=draw(),
                    lr=3e-4, audio_seconds_per_second=160 + draw(), nonfinite_steps=0, nonfinite_run=0,
                    dead_codebook_steps=0, audio_seconds=16.0 * step,
                )  # fmt: skip
            snr = 9 + 1e-4 * epoch + 0.05 * draw()
            row(
                kind="validation", epoch=epoch + 1, step=step, time=1.7e9 + step / 10 + 1, loss=0.06, l1=0.05, vq=0.01,
                l1_ratio=0.4, snr_db=snr, si_sdr_db=snr - 0.1, amplitude=0.93, correlation=0.93, dc_offset=0.0, lag=0,
                mel_distance=0.7, perplexity=[0.6] * 8, codes_used=[0.95] * 8, crops=64,
            )  # fmt: skip


@click.command()
@click.option("--train", default=1_000_000, help="Training rows.")
@click.option("--validation", default=20_000, help="Validation rows.")
def main(train: int, validation: int) -> None:
    """Print size, seconds of CPU and by the clock, and the most memory that `codecjob check` took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        write(path, train, validation)
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-P", "-m", "job", "check", str(path)], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        click.echo(
            f"{train:,} training and {validation:,} validation rows, {path.stat().st_size / 1e6:.0f} MB: exit code "
            f"{process.returncode}, {used.ru_utime + used.ru_stime:.1f} s of CPU, {time.monotonic() - began:.1f} s by "
            f"the clock, {used.ru_maxrss / 1024:.0f} MB"
        )


if __name__ == "__main__":
    main()
