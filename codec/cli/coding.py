"""`codec encode` and `codec decode`."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from codec.cli.torch_guard import needs_torch
from codec.errors import UserError
from codec.files import written

if TYPE_CHECKING:
    from codec.coding.encode_decode import Coded, Progress
    from codec.front.files import Coded as FrontCoded

DEFAULT_MODEL = Path("./checkpoints")  # where codec train leaves one by default
TUNINGS = ("ear", "waveform")
QUANTIZERS = ("scalar", "vector")

Told = tuple[str, str]  # what a stream's own codec says of it: in brackets, and at the end of the line
AnyCoded = TypeVar("AnyCoded", "Coded", "FrontCoded")

_source = click.argument("source", metavar="IN", type=click.Path(path_type=Path))
_target = click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
_model = click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A checkpoint's folder, or a run's: then its best by snr_db, else its newest.  [default: the codec that is "
    "shipped; for streams of trained models ./checkpoints]",
)
_force = click.option("--force", is_flag=True, help="Replace OUT if it exists.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.command()
@_source
@_target
@click.option(
    "--kbps", type=float, help="kbit/s of the shipped codec, all channels together: 6 to 64 for each.  [default: 16]"
)
@click.option(
    "--tune",
    type=click.Choice(TUNINGS),
    help="What the shipped codec is to keep: how it sounds, or the waveform (the most SNR).  [default: ear]",
)
@click.option("--snr", type=float, help="dB of SNR instead, from 5 to 60, at whatever rate that takes.")
@click.option(
    "--quantizer",
    type=click.Choice(QUANTIZERS),
    help="Of the shipped codec: numbers, or codes of a residual vector quantizer.  [default: scalar]",
)
@_model
@click.option(
    "--num_quantizers",
    type=int,
    help="Fewer codes a frame: only the first so many, or so many on average where frames differ.  [default: all]",
)
@_force
@_json
def encode(
    source: Path,
    target: Path,
    kbps: float | None,
    tune: str | None,
    snr: float | None,
    quantizer: str | None,
    model: Path | None,
    num_quantizers: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Code an audio file (wav, flac, ogg or mp3, any rate, any channels) into a stream of bytes.

    Without --model the shipped speech codec codes it, at 16 kHz. Each channel is coded by itself; equal channels are
    coded once.

    \b
    Examples:
      codec encode speech.wav speech.cjc --kbps 16
      codec encode speech.wav exact.cjc --snr 40
      codec encode speech.wav speech.cjc --model run1
      codec encode speech.wav small.cjc --model run1 --num_quantizers 4
    """
    if model is None:
        if num_quantizers is not None:
            raise UserError("--num_quantizers is for a trained model: give --model, or --kbps instead")
        from codec.front import files

        if snr is not None and (kbps is not None or tune is not None):
            raise UserError("--snr takes what rate it needs: leave --kbps and --tune out")
        rate = files.DEFAULT_KBPS if kbps is None else kbps
        goal = files.Goal(rate, tune or TUNINGS[0], snr, quantizer or QUANTIZERS[0])
        with written(target, force) as partial:
            _report(target, as_json, lambda progress: files.encode(source, partial, goal, progress), _of_shipped)
        return
    if any(given is not None for given in (kbps, tune, snr, quantizer)):
        raise UserError("--kbps, --tune, --snr and --quantizer are for the shipped codec: leave --model out")
    with needs_torch():
        from codec.coding import encode_decode, trained
    loaded = trained.load(model)
    stages = loaded.stages(num_quantizers)
    with written(target, force) as partial:
        _report(
            target,
            as_json,
            lambda progress: encode_decode.encode(loaded, source, partial, stages, progress),
            _of_trained,
        )


@click.command()
@_source
@_target
@_model
@click.option("--salvage", is_flag=True, help="Decode what is whole of a damaged stream; about a second is lost each.")
@_force
@_json
def decode(source: Path, target: Path, model: Path | None, salvage: bool, force: bool, as_json: bool) -> None:
    """Write the audio of a stream, with the rate, channels, length and level of the file that it was made from.

    OUT ends with .wav, .flac, .ogg or .mp3. A stream of a trained model needs --model.

    \b
    Examples:
      codec decode speech.cjc copy.wav
      codec decode speech.cjc copy.wav --model run1
      codec decode speech.cjc copy.flac --model run1 --force --json
    """
    from codec.audio.write import check_kind
    from codec.front import stream

    kind = check_kind(target)
    version = stream.version_of(source)
    if version == stream.VERSION:
        if model is not None:
            raise UserError(f"{source}: was made by the shipped codec; leave --model out")
        from codec.front import files

        with written(target, force) as partial:
            _report(
                target, as_json, lambda progress: files.decode(source, partial, kind, salvage, progress), _of_shipped
            )
        return
    if version is None:
        raise UserError(f"{source}: is no stream of codec encode")
    if version not in range(1, stream.VERSION):
        raise UserError(
            f"{source}: is a stream of version {version}, this codecjob reads 1 to {stream.VERSION}; update it"
        )
    if salvage:
        raise UserError(f"{source}: only streams of the shipped codec can be salvaged")
    with needs_torch():
        from codec.coding import encode_decode, trained
    loaded = trained.load(model or DEFAULT_MODEL)
    with written(target, force) as partial:
        _report(
            target, as_json, lambda progress: encode_decode.decode(loaded, source, partial, kind, progress), _of_trained
        )


def _report(
    target: Path, as_json: bool, work: "Callable[[Progress], AnyCoded]", told: "Callable[[AnyCoded], Told]"
) -> None:
    started = time.monotonic()
    coded = work(_progress())
    speed = coded.seconds / (time.monotonic() - started)
    if as_json:
        _as_json(target, coded, speed)
        return
    aside, end = told(coded)
    click.echo(
        f"{target}: {coded.seconds:.1f} s, {_channels(coded)}, {coded.bytes:,} bytes coded: {coded.kbps:.2f} kbit/s "
        f"({aside}); {speed:.1f} times real time{end}"
    )


def _of_shipped(coded: "FrontCoded") -> Told:
    asked = f"{coded.asked_kbps:g}" if coded.asked_kbps else "an SNR was"
    lost = f"; {coded.lost_seconds:.1f} s were damaged and are silent" if coded.lost_seconds else ""
    return f"{asked} asked", lost


def _of_trained(coded: "Coded") -> Told:
    return f"nominal {coded.nominal_kbps:.2f}, {coded.quantizers} quantizers", ""


def _as_json(target: Path, coded: "Coded | FrontCoded", speed: float) -> None:
    from codec.files import to_json

    facts: dict[str, Any] = {"file": str(target), **asdict(coded), "times_real_time": speed}
    click.echo(to_json(facts, indent=2))


def _channels(coded: "Coded | FrontCoded") -> str:
    channels = f"{coded.channels} channel{'s' * (coded.channels > 1)}"
    return channels + (", all equal" if coded.coded_channels < coded.channels else "")


def _progress() -> "Progress":
    if not sys.stderr.isatty():
        return lambda seconds: None
    return lambda seconds: click.echo(f"\r{seconds:,.0f} s of audio done ", nl=False, err=True)
