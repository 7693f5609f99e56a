"""Audio files to streams and back, in constant memory however long they are.

Each channel is coded by itself, with a gain of its own; channels that are all equal are coded once. The level
is set as in training, by the whole file's RMS and peak, which takes a first pass over the file.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from codec.acoustics.normalize import gain_of
from codec.audio import AudioError, pieces
from codec.audio.read import Float32Array
from codec.audio.write import write
from codec.codes import ABSENT, BLOCK_FRAMES, Codes
from codec.coding.container import MOST_CHANNELS, Header, Packing, Writer, read_codes, read_header
from codec.coding.levels import as_tensor, measure
from codec.coding.packing import Fixed, Varying
from codec.coding.trained import Trained
from codec.coding.windows import reach, windows
from codec.errors import UserError

BLOCK_SECONDS = 4  # of audio that the model sees at once, beside its reach

Progress = Callable[[float], None]  # is told how many seconds of audio are done


@dataclass(frozen=True)
class Coded:
    """A stream, for people to read about."""

    seconds: float
    channels: int
    coded_channels: int  # 1 where all are equal
    quantizers: int
    bytes: int
    kbps: float  # header and check sum included
    nominal_kbps: float


def encode(trained: Trained, source: Path, target: Path, stages: int, progress: Progress) -> Coded:
    """Code an audio file of any rate and channel count with the first `stages` quantizers.

    Raises AudioError for audio that can't be used.
    """
    rate = trained.model.config.sample_rate
    levels = measure(source, rate)
    if levels.channels > MOST_CHANNELS:
        raise AudioError(f"{source}: has {levels.channels} channels; a stream holds at most {MOST_CHANNELS}")
    gains = gain_of(levels.rms, levels.peak)
    header = Header(
        trained.id,
        levels.channels,
        stages,
        levels.rate,
        levels.length,
        tuple(gains.tolist()),
        varying=bool(trained.model.config.mean_quantizers),
    )
    samples, _ = trained.frames(levels.rate, levels.length)
    audio = pieces.of_length(pieces.read(source, rate, levels.distinct), samples)
    with target.open("wb") as file:
        writer = Writer(file, header, _packing(trained, header))
        done = 0
        for codes in encode_pieces(trained, (as_tensor(piece) * gains.unsqueeze(1) for piece in audio), stages):
            writer.add(codes.numpy())
            done += codes.shape[-1] * trained.model.config.hop
            progress(done / rate)
        writer.finish()
    return _summary(trained, header, writer.size)


def decode(trained: Trained, source: Path, target: Path, kind: str, progress: Progress) -> Coded:
    """Write what a stream holds, with its file's rate, channel count, length and level; `kind` is a suffix.

    Raises UserError for a stream that is damaged or of another model.
    """
    with _opened(source) as file:
        header = read_header(source, file)
        if header.model != trained.id:
            raise UserError(
                f"{source}: was made with model {header.model.hex()}, but {trained.folder} is model "
                f"{trained.id.hex()}; give the one that it was made with to --model"
            )
        _check_possible(source, header, trained)
        samples, frames = trained.frames(header.rate, header.length)
        blocks = _known(source, read_codes(source, file, _packing(trained, header), frames), trained)
        decoded = pieces.of_length((piece.numpy() for piece in decode_pieces(trained, blocks)), samples)
        gains = np.array(header.gains, np.float32)[:, None]
        levelled = (piece / gains for piece in decoded)
        restored = pieces.resampled(levelled, trained.model.config.sample_rate, header.rate, len(gains))
        whole = pieces.of_length(restored, header.length)
        write(target, kind, _reported(whole, header, progress), header.rate, header.channels)
    return _summary(trained, header, source.stat().st_size)


@torch.inference_mode()
def encode_pieces(trained: Trained, audio: Iterable[Tensor], stages: int) -> Iterator[Tensor]:
    """Normalized audio [C, any] in pieces -> codes [C, S, BLOCK_FRAMES], of the last block fewer frames."""
    for codes, errors in _blocks(_searched(trained, audio, stages)):
        yield trained.model.quantizer.spread(codes, errors, stages)


@torch.inference_mode()
def decode_pieces(trained: Trained, codes: Iterable[Tensor]) -> Iterator[Tensor]:
    """Codes [C, stages, frames] in pieces -> audio [C, frames * hop] in pieces."""
    model, hop = trained.model, trained.model.config.hop
    context = 1 + -(-reach(model.decoder, hop) // hop)  # and one frame that the lapped transform sees
    for part, first, count in windows(codes, block_frames(trained), context):
        audio = model.decode(part, part.shape[-1] * hop)
        yield audio[:, 0, first * hop : (first + count) * hop]


def block_frames(trained: Trained) -> int:
    """Frames that the model gets at once."""
    config = trained.model.config
    return max(BLOCK_SECONDS * config.sample_rate // config.hop, 1)


def _searched(trained: Trained, audio: Iterable[Tensor], stages: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Codes [C, stages, frames] and errors [C, frames, stages + 1], see ResidualQuantizer.search, of windows."""
    model, hop = trained.model, trained.model.config.hop
    context = 1 + -(-reach(model.encoder, 1) // hop)  # and one frame that the lapped transform sees
    for part, first, count in windows(audio, block_frames(trained) * hop, context * hop):
        codes, errors = model.quantizer.search(model.latents(part.unsqueeze(1)), stages)
        new = slice(first // hop, -(-(first + count) // hop))
        yield codes[..., new], errors[:, new]


def _blocks(parts: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """The same in blocks of BLOCK_FRAMES."""
    held: tuple[Tensor, Tensor] | None = None
    for codes, errors in parts:
        held = (torch.cat([held[0], codes], 2), torch.cat([held[1], errors], 1)) if held else (codes, errors)
        while held[0].shape[2] >= BLOCK_FRAMES:
            yield held[0][..., :BLOCK_FRAMES], held[1][:, :BLOCK_FRAMES]
            held = held[0][..., BLOCK_FRAMES:], held[1][:, BLOCK_FRAMES:]
    if held and held[0].shape[2]:
        yield held


def _packing(trained: Trained, header: Header) -> Packing:
    channels, bits = len(header.gains), trained.code_bits
    if header.varying:
        return Varying(channels, trained.model.config.num_quantizers, bits)
    return Fixed(channels, header.stages, bits)


def _check_possible(source: Path, header: Header, trained: Trained) -> None:
    """A check sum is no protection against intent: what no `encode` has written is the user's error, not a crash."""
    config = trained.model.config
    fits = config.least_stages <= header.stages <= config.stages_per_frame and len(header.gains) in (1, header.channels)
    fits = fits and header.varying == bool(config.mean_quantizers)
    if not (fits and header.channels and header.rate and all(0 < gain < math.inf for gain in header.gains)):
        raise UserError(f"{source}: its header is none that codec encode has written; copy or encode it again")


def _known(source: Path, blocks: Iterable[Codes], trained: Trained) -> Iterator[Tensor]:
    """The blocks, unless a code's bits stand for more than there are codes: a size need be no power of two."""
    for block in blocks:
        if block.max(initial=ABSENT) >= trained.model.config.codebook_size:
            raise UserError(f"{source}: holds a code that its model does not have; copy or encode it again")
        yield torch.from_numpy(block)


def _opened(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror}); check the path") from error


def _reported(audio: Iterable[Float32Array], header: Header, progress: Progress) -> Iterator[Float32Array]:
    done = 0
    for piece in audio:
        yield np.broadcast_to(piece, (header.channels, piece.shape[1]))
        done += piece.shape[1]
        progress(done / header.rate)


def _summary(trained: Trained, header: Header, size: int) -> Coded:
    seconds, coded = header.length / header.rate, len(header.gains)
    return Coded(
        seconds=seconds,
        channels=header.channels,
        coded_channels=coded,
        quantizers=header.stages,
        bytes=size,
        kbps=size * 8 / seconds / 1000,
        nominal_kbps=trained.bitrate(header.stages) * coded,
    )
