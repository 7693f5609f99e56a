"""How good the model is on fixed held-out crops: the numbers that a run is judged by."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor

from codec.acoustics import metrics
from codec.files import replacing
from codec.model.codec import Codec, Decoded
from codec.model.quantizer import codes_used, perplexity
from codec.training.losses import reported_loss


@dataclass(frozen=True)
class HeldOut:
    """Crops that the model never learns from, the same throughout a run."""

    audio: Tensor  # [N, 1, T] normalized
    lengths: Tensor  # [N] real samples of each
    gain: Tensor  # [N, 1, 1]; audio / gain is the original level


@torch.no_grad()
def validate(model: Codec, held_out: HeldOut, batch_size: int, beat: Callable[[], None]) -> dict[str, Any]:
    """The fields of a validation row. Metrics are means over crops of each crop's value.

    `beat` is called after each batch. A NaN in the output comes out as NaN.
    """
    per_clip: list[dict[str, float]] = []
    commitment = torch.zeros(model.config.num_quantizers, dtype=torch.float64)
    counts = torch.zeros(model.config.num_quantizers, model.config.codebook_size, dtype=torch.float64)
    for decoded, lengths, pairs in _decoded(model, held_out, batch_size):
        commitment += decoded.commitment.double().cpu() * float(_frames(model, lengths))
        counts += decoded.statistics.counts.double().cpu()
        per_clip += [_clip_metrics(x, y, model.config.sample_rate) for x, y in pairs]
        beat()

    row: dict[str, Any] = {name: _mean([clip[name] for clip in per_clip]) for name in per_clip[0]}
    row["snr_db_worst"] = _mean(_lowest_tenth([clip["snr_db"] for clip in per_clip]))
    commitment /= float(_frames(model, held_out.lengths))
    row["lag"] = int(torch.tensor([clip["lag"] for clip in per_clip]).median())
    row["vq"] = commitment.mean().item()
    row["loss"] = reported_loss(torch.tensor(row["l1"], dtype=torch.float64), commitment).item()
    row["perplexity"] = perplexity(counts).tolist()
    row["codes_used"] = codes_used(counts).tolist()
    row["crops"] = len(per_clip)
    return row


@torch.no_grad()
def mean_snr_db(model: Codec, crops: HeldOut, batch_size: int) -> float:
    """Mean SNR in dB of crops."""
    batches = _decoded(model, crops, batch_size)
    return _mean([metrics.snr_db(x, y).item() for _, _, pairs in batches for x, y in pairs])


@torch.no_grad()
def write_samples(model: Codec, held_out: HeldOut, folder: Path) -> None:
    """Write <k>-original.wav and <k>-decoded.wav for each crop, at the original's level."""
    folder.mkdir(parents=True, exist_ok=True)
    decoded = model(held_out.audio, held_out.lengths).audio
    for name, audio in (("original", held_out.audio), ("decoded", decoded)):
        restored = (audio / held_out.gain).nan_to_num().clamp(-1, 1)[:, 0].cpu()
        for k, length in enumerate(held_out.lengths.tolist()):
            samples = restored[k, :length].numpy()
            with replacing(folder / f"{k}-{name}.wav") as partial:  # the uploader takes what has its name
                soundfile.write(partial, samples, model.config.sample_rate, subtype="PCM_16", format="WAV")


def _decoded(
    model: Codec, crops: HeldOut, batch_size: int
) -> Iterator[tuple[Decoded, Tensor, list[tuple[Tensor, Tensor]]]]:
    """For each batch what the model makes of it, the crops' lengths, and (x, y) of each crop without its padding."""
    for first in range(0, len(crops.audio), batch_size):
        audio, lengths = (part[first : first + batch_size] for part in (crops.audio, crops.lengths))
        decoded = model(audio, lengths)
        whole = zip(audio[:, 0], decoded.audio[:, 0], lengths.tolist(), strict=True)
        yield decoded, lengths, [(x[:length], y[:length]) for x, y, length in whole]


def _frames(model: Codec, lengths: Tensor) -> Tensor:
    """Latent frames of crops with so many samples, all together."""
    return (-(-lengths // model.config.hop)).sum()


def _clip_metrics(x: Tensor, y: Tensor, sample_rate: int) -> dict[str, float]:
    difference = metrics.mel_difference(x, y, sample_rate)
    values = {
        "l1": metrics.l1(x, y),
        "l1_ratio": metrics.l1_ratio(x, y),
        "snr_db": metrics.snr_db(x, y),
        "si_sdr_db": metrics.si_sdr_db(x, y),
        "amplitude": metrics.amplitude(x, y),
        "correlation": metrics.correlation(x, y),
        "dc_offset": metrics.dc_offset(x, y),
        "dc_original": metrics.dc_offset(x, x),
        "lag": metrics.lag(x, y).double(),
        "mel_distance": metrics.mean_of_bands(difference, sample_rate),
        "clipped": metrics.clipped(y),
    }
    if sample_rate > 2 * metrics.HIGH_BAND_HZ:
        values["high_band"] = metrics.mean_of_bands(difference, sample_rate, metrics.HIGH_BAND_HZ)
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))


def _lowest_tenth(values: list[float]) -> list[float]:
    """The lowest tenth of values, at least one; NaN counts as lowest."""
    order = sorted(values, key=lambda value: -math.inf if math.isnan(value) else value)
    return order[: math.ceil(len(order) / 10)]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
