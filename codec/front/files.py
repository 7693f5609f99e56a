"""Audio files to streams of a front and back, in constant memory however long they are. Numpy alone, no torch.

Each channel is coded by itself; channels that are all equal are coded once. A first pass over the file finds its level.
"""

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.audio import AudioError, pieces
from codec.audio.read import Float32Array, opened
from codec.audio.write import write
from codec.errors import UserError
from codec.front import channel, fronts, level, stream
from codec.front.bands import RATE
from codec.front.channel import GROUPS
from codec.front.coder import Coder
from codec.front.forecast import Control
from codec.front.quality_control import QualityControl
from codec.front.range_coder import Damaged
from codec.front.rate_control import RateControl

LEAST_KBPS, MOST_KBPS = 6.0, 64.0  # of each coded channel
DEFAULT_KBPS = 16.0
LEAST_SNR, MOST_SNR = 5.0, 60.0  # dB

Progress = Callable[[float], None]  # is told how many seconds of audio are done


@dataclass(frozen=True)
class Coded:
    """A stream, for people to read about."""

    seconds: float
    channels: int
    coded_channels: int  # 1 where all are equal
    bytes: int
    kbps: float  # header and check sums included
    asked_kbps: float  # 0 where an SNR was asked for
    delay_ms: float  # that the codec needs, as such
    lost_seconds: float = 0.0  # of audio that was damaged, and is silent


@dataclass(frozen=True)
class _Levels:
    """What a first pass over a file finds."""

    rate: int  # Hz, the file's
    channels: int
    distinct: int  # 1 where all channels are equal, else all of them
    length: int  # samples of a channel at the file's rate
    rms: tuple[float, ...]  # [distinct]


@dataclass(frozen=True)
class Goal:
    """What an encoder keeps to: a rate, or an SNR at whatever rate that takes."""

    kbps: float = DEFAULT_KBPS  # all channels together
    tuning: str = "ear"  # one of fronts.TUNINGS
    snr_db: float | None = None  # in the place of the rate, of the audio at 16 kHz
    quantizer: str = "scalar"  # one of fronts.QUANTIZERS


def encode(source: Path, target: Path, goal: Goal, progress: Progress) -> Coded:
    """Code an audio file of any rate and channel count.

    Raises UserError for a goal that is not offered, AudioError for audio that can't be used.
    """
    levels = _measure(source)
    _check(goal, levels.distinct)
    name, front = fronts.choose(goal.kbps / levels.distinct, "waveform" if goal.snr_db else goal.tuning, goal.quantizer)
    coder = fronts.coder_of(name)
    steps = tuple(level.gain_step(rms) for rms in levels.rms)
    header = stream.Header(
        tables=tables_id(),
        front=list(fronts.FRONTS).index(name),
        fill=round(front.fill * stream.FILL_PARTS),
        channels=levels.channels,
        rate=levels.rate,
        length=levels.length,
        tenths=0 if goal.snr_db else round(10 * goal.kbps),
        gains=steps,
    )
    gains = np.array([level.gain(step) for step in steps], np.float32)[:, None]
    encoders = [channel.Encoder(coder, control) for control in _controls(goal, levels, steps, coder)]
    with target.open("wb") as file:
        writer, done = stream.Writer(file, header), 0
        audio = pieces.read(source, RATE, levels.distinct)
        for piece in pieces.of_length(audio, samples_of(levels.rate, levels.length)):
            _add_turns(writer, [encoder.feed(one) for encoder, one in zip(encoders, piece * gains, strict=True)])
            done += piece.shape[1]
            progress(done / RATE)
        _add_turns(writer, [encoder.finish() for encoder in encoders])
    return _summary(header, writer.size)


def decode(source: Path, target: Path, kind: str, salvage: bool, progress: Progress) -> Coded:
    """Write what a stream holds, with its file's rate, channel count, length and level; `kind` is a suffix.

    Raises UserError for a stream that is damaged or needs other tables. With `salvage` damaged blocks are silent.
    """
    lost: list[float] = []
    try:
        with source.open("rb") as file:
            header = stream.read_header(source, file)
            decoded = _decoded(source, header, stream.read_blocks(source, file, _blocks_of(header), salvage), lost)
            restored = pieces.resampled(decoded, RATE, header.rate, len(header.gains))
            whole = pieces.of_length(restored, header.length, fill=not salvage)
            write(target, kind, _reported(whole, header, progress), header.rate, header.channels)
    except FileNotFoundError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror}); check the path") from error
    return _summary(header, source.stat().st_size, sum(lost))


def tables_id() -> bytes:
    """4 bytes that tell the shipped tables from others."""
    return zlib.crc32(fronts.PATH.read_bytes()).to_bytes(4, "little")


def samples_of(rate: int, length: int) -> int:
    """Samples at RATE of `length` samples at `rate` Hz."""
    return -(-length * RATE // rate)


def _controls(goal: Goal, levels: "_Levels", steps: tuple[int, ...], coder: Coder) -> list[Control]:
    """What keeps each coded channel to the goal."""
    if goal.snr_db is None:
        return [RateControl(coder.forecast, 1000 * goal.kbps / len(steps)) for _ in steps]
    samples = samples_of(levels.rate, levels.length)
    groups = channel.groups_of(samples, coder.settings)
    share = 10 ** (-goal.snr_db / 10)
    return [
        QualityControl(coder.forecast, share * samples * (rms * level.gain(step)) ** 2, groups)
        for rms, step in zip(levels.rms, steps, strict=True)
    ]


def _check(goal: Goal, channels: int) -> None:
    if goal.snr_db is not None:
        if goal.quantizer == "vector":
            raise UserError("--snr is for the scalar quantizer: leave --quantizer out")
        if not LEAST_SNR <= goal.snr_db <= MOST_SNR:
            raise UserError(f"--snr {goal.snr_db:g}: give {LEAST_SNR:g} to {MOST_SNR:g} dB")
        return
    kbps = goal.kbps
    least, most = LEAST_KBPS * channels, MOST_KBPS * channels
    if not least <= kbps <= most:
        of = f" for {channels} channels that differ" if channels > 1 else ""
        raise UserError(f"--kbps {kbps:g}: give {least:g} to {most:g}{of}")


def _decoded(
    source: Path, header: stream.Header, blocks: Iterator[bytes | None], lost: list[float]
) -> Iterator[Float32Array]:
    """Audio [coded channels, any] at RATE and at the file's level."""
    name = _front_name(source, header)
    coder = fronts.coder_of(name)
    settings = coder.settings
    gains = np.array([1 / level.gain(step) for step in header.gains], np.float32)[:, None]
    decoders = [channel.Decoder(coder, header.fill / stream.FILL_PARTS) for _ in header.gains]
    left = channel.groups_of(samples_of(header.rate, header.length), settings)
    first = True
    while left:
        groups = min(left, GROUPS)
        turn = list(itertools.islice(blocks, len(decoders)))
        if len(turn) < len(decoders):  # the end of a stream that is salvaged
            lost.append(left * settings.group * settings.hop / RATE)
            return
        parts = []
        for data, decoder in zip(turn, decoders, strict=True):
            if data is None:
                lost.append(groups * settings.group * settings.hop / RATE / len(decoders))
                parts.append(decoder.skip(groups))
                continue
            try:
                parts.append(decoder.feed(data, groups))
            except Damaged as error:
                raise UserError(f"{source}: holds a block that no codec encode has written; encode it again") from error
        audio = np.stack(parts) * gains
        yield audio[:, settings.hop :] if first else audio
        first, left = False, left - groups


def _front_name(source: Path, header: stream.Header) -> str:
    if header.tables != tables_id() or header.front >= len(fronts.FRONTS):
        raise UserError(
            f"{source}: was made with tables {header.tables.hex()}, this codecjob has {tables_id().hex()}; "
            "decode it with the version that made it"
        )
    return list(fronts.FRONTS)[header.front]


def _blocks_of(header: stream.Header) -> int:
    if header.front >= len(fronts.FRONTS):
        return 0
    settings = list(fronts.FRONTS.values())[header.front].settings
    groups = channel.groups_of(samples_of(header.rate, header.length), settings)
    return -(-groups // GROUPS) * len(header.gains)


def _add_turns(writer: stream.Writer, blocks: list[Iterator[bytes]]) -> None:
    """Blocks of all channels in turns; all channels have as many."""
    for turn in zip(*blocks, strict=True):
        for data in turn:
            writer.add(data)


def _measure(path: Path) -> _Levels:
    """Read a file to its end. Raises AudioError if it is not audio, truncated, empty or not finite."""
    equal, length = True, 0
    with opened(path) as file:
        if file.channels > stream.MOST_CHANNELS:
            raise AudioError(f"{path}: has {file.channels} channels; a stream holds at most {stream.MOST_CHANNELS}")
        energy = np.zeros(file.channels)
        for piece in pieces.finite_blocks(path, file):
            length += len(piece)
            equal = equal and bool((piece == piece[:, :1]).all())
            energy += np.square(piece, dtype=np.float64).sum(0)
        rate, channels = file.samplerate, file.channels
    if rate > stream.MOST_RATE:
        raise AudioError(f"{path}: has {rate} Hz; a stream holds at most {stream.MOST_RATE}")
    rms = np.sqrt(energy / length)
    return _Levels(rate, channels, 1 if equal else channels, length, tuple(rms[: 1 if equal else None].tolist()))


def _reported(audio: Iterable[Float32Array], header: stream.Header, progress: Progress) -> Iterator[Float32Array]:
    done = 0
    for piece in audio:
        yield np.broadcast_to(piece, (header.channels, piece.shape[1]))
        done += piece.shape[1]
        progress(done / header.rate)


def _summary(header: stream.Header, size: int, lost: float = 0.0) -> Coded:
    seconds = header.length / header.rate
    settings = list(fronts.FRONTS.values())[header.front].settings
    return Coded(
        seconds=seconds,
        channels=header.channels,
        coded_channels=len(header.gains),
        bytes=size,
        kbps=size * 8 / seconds / 1000,
        asked_kbps=header.tenths / 10,
        delay_ms=1000 * channel.delay_seconds(settings),
        lost_seconds=lost,
    )
