"""`codec encode` and `codec decode`."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codec.cli.torch_guard import needs_torch
from codec.files import written

if TYPE_CHECKING:
    from codec.coding.encode_decode import Coded, Progress

DEFAULT_MODEL = "./checkpoints"  # where codec train leaves one by default

_source = click.argument("source", metavar="IN", type=click.Path(path_type=Path))
_target = click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
_model = click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=DEFAULT_MODEL,
    show_default=True,
    help="A checkpoint's folder, or a run's: then its best by snr_db, else its newest.",
)
_force = click.option("--force", is_flag=True, help="Replace OUT if it exists.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.command()
@_source
@_target
@_model
@click.option(
    "--num_quantizers",
    type=int,
    help="Fewer codes a frame: only the first so many, or so many on average where frames differ.  [default: all]",
)
@_force
@_json
def encode(source: Path, target: Path, model: Path, num_quantizers: int | None, force: bool, as_json: bool) -> None:
    """Code an audio file (wav, flac, ogg or mp3, any rate, any channels) into a stream of bytes.

    Each channel is coded by itself; equal channels are coded once.

    \b
    Examples:
      codec encode speech.wav speech.cjc --model run1
      codec encode speech.wav small.cjc --model run1 --num_quantizers 4
    """
    with needs_torch():
        from codec.coding import encode_decode, trained
    loaded = trained.load(model)
    stages = loaded.stages(num_quantizers)
    with written(target, force) as partial:
        _report(target, as_json, lambda progress: encode_decode.encode(loaded, source, partial, stages, progress))


@click.command()
@_source
@_target
@_model
@_force
@_json
def decode(source: Path, target: Path, model: Path, force: bool, as_json: bool) -> None:
    """Write the audio of a stream, with the rate, channels, length and level of the file that it was made from.

    OUT ends with .wav, .flac, .ogg or .mp3.

    \b
    Examples:
      codec decode speech.cjc copy.wav --model run1
      codec decode speech.cjc copy.flac --model run1 --force --json
    """
    with needs_torch():
        from codec.coding import audio_io, encode_decode, trained
    kind = audio_io.check_kind(target)
    loaded = trained.load(model)
    with written(target, force) as partial:
        _report(target, as_json, lambda progress: encode_decode.decode(loaded, source, partial, kind, progress))


def _report(target: Path, as_json: bool, work: "Callable[[Progress], Coded]") -> None:
    from codec.files import to_json

    started = time.monotonic()
    coded = work(_progress())
    speed = coded.seconds / (time.monotonic() - started)
    facts: dict[str, Any] = {"file": str(target), **asdict(coded), "times_real_time": speed}
    if as_json:
        click.echo(to_json(facts, indent=2))
        return
    channels = f"{coded.channels} channel{'s' * (coded.channels > 1)}"
    if coded.coded_channels < coded.channels:
        channels += ", all equal"
    click.echo(
        f"{target}: {coded.seconds:.1f} s, {channels}, {coded.bytes:,} bytes coded: {coded.kbps:.2f} kbit/s "
        f"(nominal {coded.nominal_kbps:.2f}, {coded.quantizers} quantizers); {speed:.1f} times real time"
    )


def _progress() -> "Progress":
    if not sys.stderr.isatty():
        return lambda seconds: None
    return lambda seconds: click.echo(f"\r{seconds:,.0f} s of audio done ", nl=False, err=True)
