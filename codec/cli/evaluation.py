"""`codec evaluate`."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codec.cli.torch_guard import needs_torch
from codec.errors import UserError

if TYPE_CHECKING:
    from codec.evaluation.evaluate import Pieces


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

    MODEL is a checkpoint's folder, or a run's: clips that the model has learned from are left out. Or it is the word
    shipped: then the codec that needs no model is judged, at each of its rates, through streams on disk.

    \b
    Examples:
      codec evaluate run1 examples/telugu/clips --against opus
      codec evaluate shipped examples/telugu/clips --against opus
    """
    with needs_torch():
        from codec.evaluation import opus, perception, report
    from codec.files import to_json

    if limit < 1:
        raise UserError(f"--limit {limit}: give at least 1")
    if against:
        opus.check_installed()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror})") from error
    judge = _judge_shipped if str(model) == "shipped" else _judge_trained
    judged = judge(model, data, bool(against), everything, limit)
    pieces = judged.pieces
    clips = pieces.clips - pieces.learned
    lines = [
        judged.title,
        f"{data}: {clips} of {pieces.clips} clips ({judged.choice}), {pieces.seconds:.0f} s "
        f"in {len(pieces.audio)} of {pieces.found} pieces of up to 10 s, {pieces.rate} Hz, on {judged.device}",
        *map(str, pieces.skipped),
        *_excluded(judged.rows[0]),
    ]
    facts: dict[str, Any] = {
        **judged.facts,
        "data": str(data),
        "clips": clips,
        "learned_clips_left_out": pieces.learned,
        "clips_skipped": [asdict(clip) for clip in pieces.skipped],
        "pieces": len(pieces.audio),
        "seconds": pieces.seconds,
        "sample_rate": pieces.rate,
        "rows": judged.rows,
    }
    _, notes = perception.judges(pieces.rate)
    notes += report.save(out, facts, lines)
    for note in notes:
        click.echo(note, err=True)
    table = report.markdown(judged.rows)
    click.echo(to_json(facts, indent=2) if as_json else "\n".join([*lines, "", table, "", f"saved in {out}"]))


@dataclass(frozen=True)
class _Judged:
    """An evaluation, and what is said about it."""

    title: str
    choice: str  # which clips
    device: str
    pieces: "Pieces"
    rows: list[dict[str, Any]]
    facts: dict[str, Any]


def _judge_trained(model: Path, data: Path, against: bool, everything: bool, limit: int) -> _Judged:
    import torch

    from codec.coding import trained
    from codec.evaluation import perception
    from codec.evaluation.evaluate import evaluate as rows_of
    from codec.evaluation.evaluate import pieces_of, ticks
    from codec.model.device import device_in_words, inference_device

    loaded = trained.load(model)
    loaded.model.to(device := inference_device())
    pieces = pieces_of(loaded, data, everything, limit)
    judges, _ = perception.judges(pieces.rate)
    with _bar(ticks(loaded, pieces, against)) as bar:
        rows = rows_of(loaded, pieces, judges, against, lambda: bar.update(1))
    facts: dict[str, Any] = {"model": loaded.id.hex(), "checkpoint": str(loaded.folder)}
    facts |= {"device": device.type, "threads": torch.get_num_threads()}
    title, choice = f"model {loaded.id.hex()}: {loaded.folder}", _choice(pieces.learned, everything)
    return _Judged(title, choice, device_in_words(device), pieces, rows, facts)


def _judge_shipped(model: Path, data: Path, against: bool, everything: bool, limit: int) -> _Judged:
    from codec.evaluation import perception, shipped
    from codec.evaluation.evaluate import cut_pieces
    from codec.front.bands import RATE
    from codec.front.files import tables_id

    pieces = cut_pieces(data, RATE, frozenset(), limit)
    judges, _ = perception.judges(pieces.rate)
    with _bar(shipped.ticks(pieces, against)) as bar:
        rows = shipped.evaluate(pieces, judges, against, lambda: bar.update(1))
    title = f"the shipped codec, tables {tables_id().hex()}"
    facts = {"model": tables_id().hex(), "checkpoint": str(model), "device": "cpu", "threads": 1}
    return _Judged(title, "all", "one core, by its CPU time", pieces, rows, facts)


def _bar(length: int) -> Any:
    return click.progressbar(length=length, label="pieces", file=sys.stderr, hidden=not sys.stderr.isatty())


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
