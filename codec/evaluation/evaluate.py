"""How good a trained model is on clips that it has not learned from, beside Opus on the same clips.

Everything is compared at the normalized level, over real samples, at one rate.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.acoustics import metrics
from codec.acoustics.normalize import normalize
from codec.audio import SILENCE_RMS, Clip, Packed, Skipped, pack
from codec.audio.pack import FULL_SCALE
from codec.codes import ABSENT
from codec.coding.trained import Trained
from codec.errors import UserError
from codec.evaluation import opus
from codec.evaluation.perception import Judge
from codec.model import checkpoint
from codec.model.checkpoint import clip_ids

PIECE_SECONDS = 10  # the longest piece that is scored at once: PESQ and STOI are made for sentences
LEAST_SECONDS = 1  # a shorter rest of a clip is left out
MOST_ROWS = 9  # numbers of quantizers that are looked at
TRANSPARENT_KBPS = 96.0  # at which Opus keeps the waveform of speech
METRICS = ("snr_db", "si_sdr_db", "mel_distance", "amplitude")

Tick = Callable[[], None]


@dataclass(frozen=True)
class Pieces:
    """What a model is judged on."""

    audio: tuple[Tensor, ...]  # [T] each, normalized
    rate: int
    clips: int  # of DATA
    learned: int  # of them the model has learned from
    found: int  # pieces of the others, before they are limited
    skipped: tuple[Skipped, ...] = ()  # clips of DATA beside those, which can't be used

    @property
    def seconds(self) -> float:
        """Duration of all pieces."""
        return sum(len(piece) for piece in self.audio) / self.rate


def pieces_of(trained: Trained, data: Path, everything: bool, limit: int) -> Pieces:
    """At most `limit` pieces, spread evenly over the clips of a folder that the model has not learned from.

    A clip is known by its sound, so another name or folder changes nothing. `everything` takes all clips.
    Pieces below -50 dBFS are left out. Raises UserError if nothing is left, AudioError for too many clips that can't be
    used; a few are in `skipped`.
    """
    known = frozenset() if everything else _learned(trained.folder)
    return cut_pieces(data, trained.model.config.sample_rate, known, limit)


def cut_pieces(data: Path, rate: int, known: frozenset[int], limit: int) -> Pieces:
    """At most `limit` pieces at `rate` Hz of the clips whose ids are not `known`; raises as `pieces_of` does."""
    with tempfile.TemporaryDirectory() as cache:
        packed = pack(data, Path(cache), rate)
        clips = [
            clip
            for clip, sound in zip(packed.clips, clip_ids(packed.clips).tolist(), strict=True)
            if sound not in known
        ]
        if not clips:
            raise UserError(
                f"{data}: the model has learned from every clip in it; give others, or --all to judge it on them"
            )
        places = [place for clip in clips for place in _places(clip, rate)]
        spread = np.linspace(0, len(places) - 1, min(limit, len(places))).round().astype(int)
        chosen = [_cut(packed, *places[index]) for index in spread]
    audio = tuple(normalize(piece)[0] for piece in chosen if float(piece.square().mean()) > SILENCE_RMS**2)
    if not audio:
        raise UserError(f"{data}: every piece looked at is silent (below -50 dBFS)")
    return Pieces(audio, rate, len(packed.clips), len(packed.clips) - len(clips), len(places), packed.skipped)


def evaluate(
    trained: Trained, pieces: Pieces, judges: Mapping[str, Judge], against: bool, tick: Tick
) -> list[dict[str, Any]]:
    """A row for each number of quantizers, then, with `against`, one of Opus at each of their bitrates.

    `tick` is called `ticks` times.
    """
    rows = list(_model_rows(trained, pieces, judges, tick))
    return rows + (list(opus_rows(_opus_rates(trained), pieces, judges, tick)) if against else [])


def ticks(trained: Trained, pieces: Pieces, against: bool) -> int:
    """How often `evaluate` will call its `tick`."""
    stages = stages_shown(trained)
    return len(pieces.audio) * (len(stages) + (len(_opus_rates(trained)) * len(opus.MODES) if against else 0))


def stages_shown(trained: Trained) -> list[int]:
    """Numbers of quantizers a frame: all, or MOST_ROWS of them spread evenly, thirds of all among them."""
    least, most = trained.model.config.least_stages, trained.model.config.stages_per_frame
    rows = min(most, MOST_ROWS)
    return [stages for row in range(1, rows + 1) if (stages := round(most * row / rows)) >= least]


@torch.inference_mode()
def _model_rows(trained: Trained, pieces: Pieces, judges: Mapping[str, Judge], tick: Tick) -> Iterator[dict[str, Any]]:
    device = next(trained.model.parameters()).device
    # The first call of a shape costs more than the others.
    trained.model.decode(trained.model.encode(pieces.audio[0].reshape(1, 1, -1).to(device)), len(pieces.audio[0]))
    for stages in stages_shown(trained):
        judged, coded, encode_seconds, decode_seconds = [], [], 0.0, 0.0
        for audio in pieces.audio:
            started = time.perf_counter()
            codes = trained.model.encode(audio.reshape(1, 1, -1).to(device), stages).cpu()  # which waits for the device
            encoded = time.perf_counter()
            decoded = trained.model.decode(codes.to(device), len(audio))[0, 0].cpu()
            decode_seconds += time.perf_counter() - encoded
            encode_seconds += encoded - started
            coded.append(codes[0])
            judged.append(scores(audio, decoded, pieces.rate, judges))
            tick()
        yield {
            "codec": "model",
            "quantizers": stages,
            "nominal_kbps": trained.bitrate(stages),
            "effective_kbps": float(_carried_bits(trained, coded)) / pieces.seconds / 1000,
            **means(judged),
            "encode_times_real_time": pieces.seconds / encode_seconds,
            "decode_times_real_time": pieces.seconds / decode_seconds,
        }


def _carried_bits(trained: Trained, coded: Sequence[Tensor]) -> Tensor:
    """Bits that an entropy coder would need at least for codes [S, T'] of pieces, and for how many a frame has."""
    config, codes = trained.model.config, torch.cat(list(coded), dim=1)
    counts = torch.stack([torch.bincount(stage[stage != ABSENT], minlength=config.codebook_size) for stage in codes])
    lengths = torch.bincount((codes != ABSENT).sum(0)).unsqueeze(0)  # of one value where all frames have all codes
    return (entropy_bits(counts) * counts.sum(1)).sum() + (entropy_bits(lengths) * lengths.sum()).sum()


def opus_rows(
    rates: Sequence[float], pieces: Pieces, judges: Mapping[str, Judge], tick: Tick
) -> Iterator[dict[str, Any]]:
    """Opus at each rate in its best mode by SNR and, where there is PESQ and it is another, in its best by PESQ.

    `tick` is called for each piece, rate and mode.
    """
    _check_alignment(pieces)
    for kbps in rates:
        tried = [_opus_row(pieces, judges, _through_opus(pieces, kbps, mode, tick), kbps) for mode in opus.MODES]
        best = max(tried, key=lambda row: row["snr_db"])
        yield best
        if "pesq" in judges and (heard := max(tried, key=lambda row: row["pesq"])) is not best:
            yield heard | {"codec": "opus, by ear"}


def _opus_row(pieces: Pieces, judges: Mapping[str, Judge], heard: "_Heard", kbps: float) -> dict[str, Any]:
    return {
        "codec": "opus",
        "quantizers": None,
        "nominal_kbps": kbps,
        "effective_kbps": heard.kbps,
        "tuning": heard.mode.tuning,
        "variable": heard.mode.variable,
        "delay": heard.delay,
        **means([scores(x, y, pieces.rate, judges) for x, y in zip(pieces.audio, heard.audio, strict=True)]),
    }


def _check_alignment(pieces: Pieces) -> None:
    """Where Opus keeps the waveform, it must neither be early nor late: its delay has been taken out."""
    original = max(pieces.audio, key=len)
    decoded, _ = opus.round_trip(original.numpy(), pieces.rate, TRANSPARENT_KBPS, opus.Mode("music", variable=False))
    late = int(metrics.lag(original, torch.from_numpy(decoded)))
    if late:
        raise UserError(f"opusdec's audio comes {late} samples late, so it can't be compared; try another opus-tools")


@dataclass(frozen=True)
class _Heard:
    """All pieces after Opus."""

    mode: opus.Mode
    audio: tuple[Tensor, ...]  # [T] each
    kbps: float  # of the packets
    delay: float  # samples, the median


def _through_opus(pieces: Pieces, kbps: float, mode: opus.Mode, tick: Tick) -> _Heard:
    audio, delays, bits = [], [], 0.0
    for original in pieces.audio:
        decoded, payload = opus.round_trip(original.numpy(), pieces.rate, kbps, mode)
        decoded, delay = opus.aligned(original.numpy(), decoded)
        audio.append(torch.from_numpy(decoded))
        delays.append(delay)
        bits += payload * len(original) / pieces.rate
        tick()
    return _Heard(mode, tuple(audio), bits / pieces.seconds, float(np.median(delays)))


def _opus_rates(trained: Trained) -> list[float]:
    """The model's bitrates, as far as Opus has them."""
    rates = (trained.bitrate(stages) for stages in stages_shown(trained))
    return sorted({min(max(rate, opus.LEAST_KBPS), opus.MOST_KBPS) for rate in rates})


def entropy_bits(counts: Tensor) -> Tensor:
    """Bits that a code of each stage carries, by how often each is chosen. [S, K] -> [S]."""
    shares = counts.double() / counts.double().sum(1, keepdim=True).clamp(min=1)
    nats: Tensor = -torch.special.xlogy(shares, shares).sum(1)
    return nats / math.log(2)


def scores(x: Tensor, y: Tensor, rate: int, judges: Mapping[str, Judge]) -> dict[str, float]:
    """All that is measured on one piece: x is the original, y what was decoded, [T] each."""
    values = {
        "snr_db": float(metrics.snr_db(x, y)),
        "si_sdr_db": float(metrics.si_sdr_db(x, y)),
        "mel_distance": float(metrics.mel_distance(x, y, rate)),
        "amplitude": float(metrics.amplitude(x, y)),
        "lag": float(metrics.lag(x, y)),
    }
    return values | {name: judge(x.numpy(), y.numpy()) for name, judge in judges.items()}


def means(judged: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Means over pieces; of what a piece has no score for, over the others, with their number."""
    row: dict[str, Any] = {name: float(np.mean([score[name] for score in judged])) for name in METRICS}
    row["lag"] = int(np.median([score["lag"] for score in judged]))
    for name in judged[0].keys() - row.keys():
        given = [score[name] for score in judged if not math.isnan(score[name])]
        row[name] = float(np.mean(given)) if given else math.nan
        row[f"{name}_excluded"] = len(judged) - len(given)
    return row


def _learned(folder: Path) -> frozenset[int]:
    state = checkpoint.trainer_state(folder, mmap=True)
    if "learned" not in state:
        raise UserError(
            f"{folder}: does not say what it has learned from; --all judges it on every clip, learned or not"
        )
    return frozenset(state["learned"].tolist())


def _places(clip: Clip, rate: int) -> Iterator[tuple[int, int]]:
    """(first sample, length) of each piece of a clip."""
    longest, least = PIECE_SECONDS * rate, min(LEAST_SECONDS * rate, clip.length)
    for first in range(0, clip.length, longest):
        length = min(longest, clip.length - first)
        if length >= least:
            yield clip.offset + first, length


def _cut(packed: Packed, first: int, length: int) -> Tensor:
    return torch.from_numpy(packed.samples[first : first + length].astype(np.float32) / FULL_SCALE)
