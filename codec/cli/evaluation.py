"""`codec evaluate`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from codec.cli.torch_guard import needs_torch
from codec.errors import UserError


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--against", type=click.Choice(["opus"]), help="Also code the same audio with this, at the same bitrates."
)
@click.option("--all", "everything", is_flag=True, help="Also clips that the model has learned from.")
@click.option("--limit", default=100, show_default=True, help="At most so many pieces of up to 10 s, spread evenly.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="./evaluation",
    show_default=True,
    help="Folder for the table as csv, json and markdown, and the plot.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def evaluate(
    model: Path, data: Path, against: str | None, everything: bool, limit: int, out: Path, as_json: bool
) -> None:
    """Judge a trained model on the clips of a folder, for each number of quantizers.

    MODEL is a checkpoint's folder, or a run's. Clips that the model has learned from are left out.

    \b
    Examples:
      codec evaluate run1 examples/telugu/clips --against opus
    """
    with needs_torch():
        import torch

        from codec.coding import trained
        from codec.evaluation import opus, perception, report
        from codec.evaluation.evaluate import evaluate as rows_of
        from codec.evaluation.evaluate import pieces_of, ticks
        from codec.model.device import device_in_words, inference_device
    from codec.files import to_json

    if limit < 1:
        raise UserError(f"--limit {limit}: give at least 1")
    if against:
        opus.check_installed()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror})") from error
    loaded = trained.load(model)
    loaded.model.to(device := inference_device())
    pieces = pieces_of(loaded, data, everything, limit)
    judges, notes = perception.judges(pieces.rate)
    with click.progressbar(
        length=ticks(loaded, pieces, bool(against)), label="pieces", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        rows = rows_of(loaded, pieces, judges, bool(against), lambda: bar.update(1))

    clips = pieces.clips - pieces.learned
    lines = [
        f"model {loaded.id.hex()}: {loaded.folder}",
        f"{data}: {clips} of {pieces.clips} clips ({_choice(pieces.learned, everything)}), {pieces.seconds:.0f} s "
        f"in {len(pieces.audio)} of {pieces.found} pieces of up to 10 s, {pieces.rate} Hz, "
        f"on {device_in_words(device)}",
        *map(str, pieces.skipped),
        *_excluded(rows[0]),
    ]
    facts: dict[str, Any] = {
        "model": loaded.id.hex(),
        "checkpoint": str(loaded.folder),
        "data": str(data),
        "clips": clips,
        "learned_clips_left_out": pieces.learned,
        "clips_skipped": [asdict(clip) for clip in pieces.skipped],
        "pieces": len(pieces.audio),
        "seconds": pieces.seconds,
        "sample_rate": pieces.rate,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "rows": rows,
    }
    notes += report.save(out, facts, lines)
    for note in notes:
        click.echo(note, err=True)
    click.echo(
        to_json(facts, indent=2) if as_json else "\n".join([*lines, "", report.markdown(rows), "", f"saved in {out}"])
    )


def _choice(learned: int, everything: bool) -> str:
    if everything:
        return "all, also those learned from"
    return f"{learned} learned from left out" if learned else "none learned from"


def _excluded(row: dict[str, Any]) -> list[str]:
    counts = {name: row.get(f"{name}_excluded", 0) for name in ("pesq", "stoi")}
    return [
        f"{name.upper()} has no score for {count} of the pieces: left out of its mean"
        for name, count in counts.items()
        if count
    ]
