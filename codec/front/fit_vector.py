"""Learns codebooks and tables of the residual vector quantizer from speech."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from codec.front import counts, fit, forecast, side, tables, vector, vector_coder
from codec.front.fronts import Front
from codec.front.powers import Float32Array, Ints
from codec.front.vector import CODES, DIM, STAGES

BASES = range(-128, -31, 16)  # of the step, that codes and numbers are learned at: about 6 to 40 kbit/s
ROUNDS = 10  # of k-means
MOST_VECTORS = 50_000  # of each stage's k-means
SHRINK = 0.75  # of the share of vectors that each further stage learns from

Arrays = dict[str, Any]


def fit_arrays(clips: Sequence[Float32Array], front: Front) -> Arrays:
    """The arrays of `vector_coder.from_arrays`."""
    settings, rng = front.settings, np.random.default_rng(0)
    speech = fit.Speech(clips, settings)
    arrays = fit.fit_envelope(speech.levels)
    arrays["settings"] = np.array([settings.hop, settings.group, settings.share], np.int16)
    white = [
        vector.whiten(coefficients, levels, np.zeros(len(levels), np.int64), settings)
        for coefficients, levels in zip(speech.coefficients, speech.levels, strict=True)
    ]
    vectors = np.concatenate([one.vectors.reshape(-1, DIM) for one in white])
    ratio = np.concatenate([one.ratio.reshape(-1) for one in white])
    arrays["codebooks"] = _codebooks(vectors, ratio, rng)
    arrays |= _probabilities(white, arrays["codebooks"].astype(np.float32))
    return fit.with_forecast(arrays, speech, vector_coder.from_arrays)


def _codebooks(vectors: Float32Array, ratio: Ints, rng: np.random.Generator) -> Any:
    """Codebooks [STAGES, CODES, DIM], each stage learned on the vectors that it is most worth for."""
    left, found = vectors, []
    weight = np.exp2(ratio / 16).astype(np.float32)
    for stage in range(STAGES):
        count = min(max(int(len(left) * 0.5 * SHRINK**stage), 4 * CODES), len(left))
        need = np.square(left).sum(1) * np.square(weight)
        chosen = rng.permutation(np.argpartition(-need, count - 1)[:count])[:MOST_VECTORS]
        book = kmeans(left[chosen], CODES, rng).astype(np.float16)
        found.append(book)
        left = left - book.astype(np.float32)[vector.nearest(left, book.astype(np.float32))]
    return np.stack(found)


def kmeans(vectors: Float32Array, size: int, rng: np.random.Generator) -> Float32Array:
    """A codebook [size, DIM]; codes that nothing chooses start again at random vectors."""
    book = vectors[rng.choice(len(vectors), size, replace=False)].copy()
    for _ in range(ROUNDS):
        chosen = vector.nearest(vectors, book)
        often = np.bincount(chosen, minlength=size)
        sums = np.stack([np.bincount(chosen, column, size) for column in vectors.T], 1)
        book = (sums / np.maximum(often, 1)[:, None]).astype(np.float32)
        book[often == 0] = vectors[rng.choice(len(vectors), int((often == 0).sum()))]
    return book


def _probabilities(white: Sequence[vector.Whitened], codebooks: Float32Array) -> Arrays:
    """Tables of codes and numbers, and the sums for the forecast, over all BASES."""
    codes = np.full((STAGES, CODES), 0.2)
    numbers = np.full((2, counts.CLASSES, STAGES + 1), 0.02)
    examples = []
    for one in white:
        frames, count = one.scale.shape
        found, errors, _ = vector.search(one.vectors.reshape(-1, DIM), codebooks)
        for base in BASES:
            ratio = one.ratio - base
            stages = vector.stages_of(errors, ratio.reshape(-1))
            for stage in range(STAGES):
                codes[stage] += np.bincount(found[stages > stage, stage], minlength=CODES)
            grid = stages.reshape(frames, count)
            for turn in (0, 1):
                now = grid[1:] if turn else None
                np.add.at(numbers[turn], (counts.classes_of(ratio[1:], grid[:-1], now), grid[1:, turn::2]), 1)
                now = grid if turn else None
                np.add.at(numbers[turn], (counts.classes_of(ratio, None, now), grid[:, turn::2]), 0.05)
            examples.append((ratio.reshape(-1), stages, errors[np.arange(len(stages)), stages]))
    # A class that is rare leans on all classes of its ratio.
    by_ratio = numbers.reshape(2, counts.RATIO_CLASSES, counts.NEIGHBOUR_CLASSES, -1).sum(2)
    lean = np.repeat(by_ratio / by_ratio.sum(-1, keepdims=True), counts.NEIGHBOUR_CLASSES, 1)
    numbers += 2 * lean
    shares, code_shares = (of / of.sum(-1, keepdims=True) for of in (numbers, codes))
    lengths = np.concatenate([[0], np.cumsum(-(code_shares * np.log2(code_shares)).sum(1))])
    number_bits = -(by_ratio / by_ratio.sum() * np.log2(lean[:, :: counts.NEIGHBOUR_CLASSES])).sum()
    ratio, stages, errors = (np.concatenate([example[part] for example in examples]) for part in range(3))
    index = np.clip(ratio // side.BASE_STEP, forecast.LEAST_RATIO, forecast.MOST_RATIO) - forecast.LEAST_RATIO
    noise = errors * np.exp2(ratio / 8)  # in squared steps
    size = forecast.RATIOS
    sums = {
        "ratio_bits": np.bincount(index, (lengths[stages] + number_bits) / DIM, size),
        "ratio_noise": np.bincount(index, noise / DIM, size),
        "ratio_count": np.bincount(index, minlength=size),
    }
    return {
        "code_counts": tables.whole(code_shares).astype(np.uint16),
        "stage_counts": tables.whole(shares).astype(np.uint16),
        **fit.fit_rates([sums]),
    }
