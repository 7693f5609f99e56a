"""The bench's command: python -m tests.bench.normalization."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from tests.bench.normalization import table
from tests.bench.normalization.trainings import REAL_SPEECH, SYNTHETIC, run, some_clips


@click.command()
@click.option("--seeds", default=3, help="How many seeds for each normalization.", show_default=True)
@click.option("--epochs", default=20, help="Passes over the clips.", show_default=True)
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True), help="Speech; default: see docs/normalization.md."
)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep every training's rows in this JSON file.")
def main(seeds: int, epochs: int, data: Path | None, keep: Path | None) -> None:
    """Train with the fixed level and with per-sample peak normalization; print the tables of docs/normalization.md."""
    source = data or (REAL_SPEECH if REAL_SPEECH.is_dir() else SYNTHETIC)
    trainings = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        count = some_clips(source, work / "clips")
        click.echo(f"{count} clips of {source}", err=True)
        for training in run(work / "clips", work, range(seeds), epochs):
            trainings.append(training)
            last = training.at(epochs, "snr_db")
            click.echo(f"{training.normalization}, seed {training.seed}: {last:.2f} dB", err=True)
            if keep:
                keep.write_text(json.dumps([asdict(each) for each in trainings]))
    click.echo(table.markdown(trainings, epochs))


if __name__ == "__main__":
    main()
