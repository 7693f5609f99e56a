"""What a front has learned: weights, tables and the rates that they predict, in one file of some 100 kB."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codec.front import contexts, envelope
from codec.front.powers import Float32Array, Ints
from codec.front.range_coder import Model

OCTAVE = 16  # sixteenths
TOTAL = 1 << 16  # of a table's counts


@dataclass(frozen=True)
class Settings:
    """What a stream is coded with; writer and reader share it."""

    hop: int  # samples of a frame
    group: int  # frames that share an envelope
    share: int  # of the envelope in the step, in 1/32: 0 for the best SNR, about 11 for the ear


@dataclass(frozen=True)
class ContextTables:
    """Magnitudes by class, for steps of about one octave."""

    weights: tuple[list[int], list[int]]  # of the two passes, in 1/4096
    probabilities: tuple[Float32Array, Float32Array]  # [classes, alphabet] each
    lengths: tuple[Float32Array, Float32Array]  # in bits
    centroids: Float32Array  # [3], see scalar.dequantize


@dataclass(frozen=True)
class Forecast:
    """What speech costs at any step, see forecast.py."""

    settings: Settings
    cost: Float32Array  # bits of a coefficient by its envelope over the step
    prior: Float32Array  # mean bits of a group of speech by the base of the step
    side: float  # bits of a group's envelope and step, on average
    noise: Float32Array  # squared error of a coefficient in squared steps, like `cost`
    noise_prior: Float32Array  # mean squared error of a group of speech, like `prior`


@dataclass(frozen=True)
class Tables:
    """All that the scalar quantizer with some settings needs beside a stream."""

    settings: Settings
    envelope: envelope.EnvelopeTables
    forecast: Forecast
    first_base: int  # the base of the step, in sixteenths, that the first of `contexts` is for
    contexts: tuple[ContextTables, ...]  # one an octave

    def sets_of(self, bases: Ints) -> list[int]:
        """Indices of the context tables for bases of the step."""
        octaves = (bases - self.first_base + OCTAVE // 2) // OCTAVE
        found: list[int] = np.clip(octaves, 0, len(self.contexts) - 1).tolist()
        return found


def save(path: Path, all_tables: dict[str, dict[str, Any]]) -> None:
    """Write the arrays of several fronts."""
    flat = {f"{name}/{key}": value for name, arrays in all_tables.items() for key, value in arrays.items()}
    np.savez_compressed(path, **flat)


@functools.cache
def arrays_of(path: Path, name: str) -> dict[str, Any]:
    """The arrays of one front."""
    with np.load(path, allow_pickle=False) as file:
        return {key.split("/")[1]: file[key] for key in file.files if key.split("/")[0] == name}


def from_arrays(arrays: dict[str, Any]) -> Tables:
    """Tables of the arrays that `fit` returns."""
    shares = (arrays["counts"].astype(np.int64) / TOTAL).astype(np.float32)  # [sets, passes, classes, alphabet]
    lengths = -np.log2(shares)
    sets = tuple(
        ContextTables(
            tuple(weights[: contexts.INPUTS[turn]].tolist() for turn, weights in enumerate(of_set)),
            (shares[index, 0], shares[index, 1]),
            (lengths[index, 0], lengths[index, 1]),
            arrays["centroids"][index].astype(np.float32),
        )
        for index, of_set in enumerate(arrays["weights"].astype(np.int64))
    )
    first_base = int(arrays["settings"][3])
    return Tables(settings_of(arrays), envelope_of(arrays), forecast_of(arrays), first_base, sets)


def settings_of(arrays: dict[str, Any]) -> Settings:
    """The settings among the arrays of a front."""
    hop, group, share = (int(value) for value in arrays["settings"][:3])
    return Settings(hop, group, share)


def envelope_of(arrays: dict[str, Any]) -> envelope.EnvelopeTables:
    """The envelope's tables among the arrays of a front."""
    shares = (arrays["envelope_counts"].astype(np.int64) / TOTAL).astype(np.float32)
    models = tuple(tuple(Model(row) for row in rows) for rows in shares)
    weights = arrays["envelope_weights"].astype(np.int64)
    return envelope.EnvelopeTables(arrays["typical"].astype(np.int64), weights, models, -np.log2(shares))


def forecast_of(arrays: dict[str, Any]) -> Forecast:
    """The forecast among the arrays of a front."""
    curves = {key: arrays[key].astype(np.float32) for key in ("cost", "prior", "noise", "noise_prior")}
    return Forecast(settings_of(arrays), side=float(arrays["side"]), **curves)


def whole(shares: Any) -> Any:
    """Rows of probabilities as counts of at least 1 that sum to TOTAL: a float32 holds them exactly."""
    counts = np.maximum(np.round(shares * (TOTAL - shares.shape[-1])), 1).astype(np.int64)
    largest = counts.argmax(-1)[..., None]
    missing = TOTAL - counts.sum(-1, keepdims=True)
    np.put_along_axis(counts, largest, np.take_along_axis(counts, largest, -1) + missing, -1)
    return counts
