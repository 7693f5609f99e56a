"""Learns the tables of a scalar front from speech."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from codec.front import bands, block, contexts, envelope, forecast, magnitudes, mdct, powers, scalar, side, tables
from codec.front.fronts import Front
from codec.front.powers import Float32Array, Ints
from codec.front.tables import OCTAVE, Forecast, Settings

FIRST_BASE, SETS = -176, 13  # bases of the step that tables are learned for, an octave apart
JITTER = 6  # sixteenths that a clip's step is off the middle of its octave
ROUNDS = 150  # of the fit of the weights
MOST_EXAMPLES = 200_000
SHARED = 6.0  # examples' weight of the other parts of the spectrum in a class
LEAST_SHARE = 1e-5

Arrays = dict[str, Any]


class Ready(Protocol):
    """Tables of any quantizer."""

    @property
    def forecast(self) -> Forecast:
        """Of it."""
        ...


class Speech:
    """Training clips as coefficients and levels."""

    def __init__(self, clips: Sequence[Float32Array], settings: Settings) -> None:
        self.settings = settings
        self.coefficients, self.levels, self.amplitude = [], [], []
        for clip in clips:
            coefficients = analysed(clip, settings)
            levels = bands.levels_of(coefficients, settings.group)
            self.coefficients.append(coefficients)
            self.levels.append(levels)
            self.amplitude.append(np.repeat(bands.amplitudes(levels, settings.hop), settings.group, 0))


def analysed(clip: Float32Array, settings: Settings) -> Float32Array:
    """Coefficients [frames, hop] of a clip, frames in whole groups."""
    hop, frames = settings.hop, mdct.frames_of(len(clip), settings.hop)
    frames += -frames % settings.group
    padded = np.zeros((frames + 1) * hop, np.float32)
    padded[hop : hop + len(clip)] = clip
    return mdct.forward(padded, hop)


def fit(clips: Sequence[Float32Array], front: Front) -> Arrays:
    """The arrays of `tables.from_arrays`, learned from clips at 16 kHz and the level of training."""
    speech, rng = Speech(clips, front.settings), np.random.default_rng(1)
    arrays = fit_envelope(speech.levels)
    settings = front.settings
    arrays["settings"] = np.array([settings.hop, settings.group, settings.share, FIRST_BASE], np.int16)
    sets = [_fit_contexts(speech, FIRST_BASE + OCTAVE * index, front.rounding, rng) for index in range(SETS)]
    for key in ("weights", "counts", "centroids"):
        arrays[key] = np.stack([of_set[key] for of_set in sets])
    arrays |= fit_rates(sets)
    return with_forecast(arrays, speech, tables.from_arrays)


def with_forecast(arrays: Arrays, speech: Speech, ready_of: Callable[[Arrays], Ready]) -> Arrays:
    """The arrays of a front with those of its forecast added; `ready_of` makes tables of them."""
    arrays["side"] = np.float32(_side_bits(speech, arrays))
    arrays |= {key: np.zeros(len(forecast.BASES), np.float32) for key in ("prior", "noise_prior")}
    ready = ready_of(arrays)
    costs = [forecast.costs_of(levels, ready.forecast) for levels in speech.levels]
    noises = [forecast.noises_of(levels, ready.forecast) for levels in speech.levels]
    arrays["prior"] = np.concatenate(costs).mean(0).astype(np.float32)
    arrays["noise_prior"] = np.concatenate(noises).mean(0).astype(np.float32)
    return arrays


def fit_envelope(all_levels: Sequence[Ints]) -> Arrays:
    """The arrays of `tables.envelope_of`, learned from the levels [groups, BANDS] of clips."""
    levels = np.concatenate(all_levels)
    typical = np.round(levels.mean(0)).astype(np.int64)
    pairs = [envelope.history(one, typical) for one in all_levels]
    last, earlier = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    still = np.broadcast_to(typical, levels.shape)
    weights = np.zeros((bands.BANDS, envelope.INPUTS), np.int64)
    counts = np.full((bands.BANDS, envelope.CLASSES, envelope.ALPHABET), 0.02)
    error, first_error = np.zeros(len(levels), np.int64), np.zeros(len(levels), np.int64)
    for band in range(bands.BANDS):
        known = envelope.inputs_of(levels, last, earlier, error, band)
        exact = np.linalg.lstsq(known.astype(float), levels[:, band].astype(float), rcond=None)[0]
        weights[band] = np.round(exact * (1 << envelope.WEIGHT_BITS))
        of = np.minimum(np.abs(error), envelope.FIRST_CLASS - 1)
        error = levels[:, band] - envelope.predicted_of(known, weights[band])
        np.add.at(counts[band], (of, error + envelope.LIMIT), 1)
        known = envelope.inputs_of(levels, still, still, first_error, band)
        first_error = levels[:, band] - envelope.predicted_of(known, weights[band])
        np.add.at(counts[band], (np.full(len(levels), envelope.FIRST_CLASS), first_error + envelope.LIMIT), 1)
    shares = counts / counts.sum(-1, keepdims=True)
    return {
        "typical": typical.astype(np.int16),
        "envelope_weights": weights.astype(np.int16),
        "envelope_counts": tables.whole(shares).astype(np.uint16),
    }


def _fit_contexts(speech: Speech, base: int, rounding: float, rng: np.random.Generator) -> Arrays:
    frames, values, ratios, inside, noise = [], [], [], [], []
    for coefficients, amplitude in zip(speech.coefficients, speech.amplitude, strict=True):
        own = base + int(rng.integers(-JITTER, JITTER + 1))
        exponents = bands.exponents(amplitude, own, speech.settings.share)
        step = powers.real(exponents)
        codes = np.abs(scalar.quantize(coefficients, step, rounding))
        frames.append(block.frames_of(codes, exponents, amplitude))
        values.append(codes)
        ratios.append((amplitude - exponents) // side.BASE_STEP)
        inside.append(np.abs(coefficients) / step - codes)
        noise.append(np.square(inside[-1]))
    frame = contexts.Frame(*(np.concatenate([getattr(f, n) for f in frames]) for n in ("last", "earlier", "amplitude")))
    codes = np.concatenate(values)
    now = contexts.padded(codes)
    found: dict[str, list[Any]] = {"weights": [], "counts": []}
    bits = np.zeros(codes.shape, np.float32)
    for turn in (0, 1):
        own_now, target = (now if turn else None), codes[:, turn::2]
        weights = _fit_weights(frame, own_now, target, rng)
        classes = contexts.classes_of(frame, own_now, weights)
        counts = _counts(classes, target)
        found["weights"].append(weights + [0] * (contexts.INPUTS[1] - len(weights)))
        found["counts"].append(counts)
        bits[:, turn::2] = magnitudes.bits_of(target, classes, -np.log2(counts / tables.TOTAL))
    offsets, magnitude = np.concatenate(inside), np.minimum(codes, 3)
    centroids = [offsets[magnitude == size].mean() if (magnitude == size).any() else 0.0 for size in (1, 2, 3)]
    ratio = np.clip(np.concatenate(ratios), forecast.LEAST_RATIO, forecast.MOST_RATIO) - forecast.LEAST_RATIO
    return {
        "weights": np.array(found["weights"], np.int32),
        "counts": np.stack(found["counts"]).astype(np.uint16),
        "centroids": np.array(centroids, np.float32),
        "ratio_bits": np.bincount(ratio.ravel(), bits.ravel(), forecast.RATIOS),
        "ratio_noise": np.bincount(ratio.ravel(), np.concatenate(noise).ravel(), forecast.RATIOS),
        "ratio_count": np.bincount(ratio.ravel(), minlength=forecast.RATIOS),
    }


def _fit_weights(frame: contexts.Frame, now: Ints | None, target: Ints, rng: np.random.Generator) -> list[int]:
    """Weights >= 0 of least Kullback-Leibler divergence of magnitudes from their expectation (multiplicative updates).

    Least squares run away where nearly all magnitudes are zero.
    """
    chosen = rng.permutation(target.size)[:MOST_EXAMPLES]
    unit = float(1 << powers.FRACTION)
    known = np.stack([values.reshape(-1)[chosen] for values in contexts.inputs_of(frame, now)], 1) / unit
    known = np.concatenate([known, np.ones((len(known), 1))], 1).astype(np.float32)
    wanted = target.reshape(-1)[chosen].astype(np.float32)
    weights, total = np.full(known.shape[1], 0.1, np.float32), known.sum(0) + 1e-6
    for _ in range(ROUNDS):
        weights = weights * (known.T @ (wanted / np.maximum(known @ weights, 1e-4)) / total) + np.float32(1e-7)
    return [int(weight) for weight in np.round(weights * (1 << contexts.WEIGHT_BITS))]


def _counts(classes: Ints, values: Ints) -> Ints:
    """Counts [PARTS x CLASSES, alphabet]; a class with few examples leans on the same class of the other parts."""
    counts = np.zeros((contexts.PARTS * contexts.CLASSES, magnitudes.ALPHABET))
    np.add.at(counts, (classes, np.minimum(values >> contexts.low_bits(classes), magnitudes.ESCAPE)), 1)
    shared = counts.reshape(contexts.PARTS, contexts.CLASSES, -1).sum(0)
    shared = (shared + 1e-6) / (shared.sum(1, keepdims=True) + 1e-5)
    counts += 0.01 * 2.0 ** (-np.arange(magnitudes.ALPHABET) / 3) + SHARED * np.tile(shared, (contexts.PARTS, 1))
    shares = np.maximum(counts / counts.sum(1, keepdims=True), LEAST_SHARE)
    whole: Ints = tables.whole(shares / shares.sum(1, keepdims=True))
    return whole


def fit_rates(sets: Sequence[Arrays]) -> Arrays:
    """Bits and squared error of a coefficient by its envelope over the step, from all steps together."""
    bits, noise, count = (sum(one[key] for one in sets) for key in ("ratio_bits", "ratio_noise", "ratio_count"))
    known = np.flatnonzero(count > 100)
    cost, error = (np.interp(np.arange(len(count)), known, (of / np.maximum(count, 1))[known]) for of in (bits, noise))
    beyond = np.arange(len(count)) - known[-1]  # above what was seen, an octave is a bit
    cost = np.where(beyond > 0, cost[known[-1]] + beyond * side.BASE_STEP / OCTAVE, cost)
    return {"cost": cost.astype(np.float32), "noise": error.astype(np.float32)}


def _side_bits(speech: Speech, arrays: Arrays) -> float:
    """Bits of a group's levels, and half a bit for its step."""
    ready = tables.envelope_of(arrays)
    total = sum(envelope.bits_of(*envelope.symbols_of(levels, ready), ready) for levels in speech.levels)
    return total / sum(map(len, speech.levels)) + 0.5
