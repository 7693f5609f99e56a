"""The residual vector quantizer: 8 neighbouring coefficients over their envelope, as many stages as they need.

Each stage codes what the stages before it left (Juang and Gray 1982). A vector takes the number of stages with the
least squared error + price x bits, the price of a bit being what it costs at the step that the rate control names: bits
go where the envelope stands far above the step.
"""

from dataclasses import dataclass

import numpy as np

from codec.front import bands, powers
from codec.front.powers import Float32Array, Ints
from codec.front.tables import Settings

DIM = 8  # coefficients of a vector
STAGES, CODES = 10, 256
PRICE = 0.115  # squared steps that a bit is worth: 2 ln 2 x 1/12, the slope of a uniform quantizer
CODE_BITS = 7.0  # about what a code costs


@dataclass(frozen=True)
class Whitened:
    """What is coded of a block, frame by frame: [frames, vectors] each, and [frames, vectors, DIM]."""

    vectors: Float32Array
    scale: Float32Array  # by which the coefficients were divided
    ratio: Ints  # log2 of the envelope over the step, in sixteenths: the same for writer and reader


def whiten(coefficients: Float32Array, levels: Ints, bases: Ints, settings: Settings) -> Whitened:
    """Coefficients [frames, hop] over the envelope of their vector."""
    scale, ratio = scales(levels, bases, settings)
    return Whitened(coefficients.reshape(*scale.shape, DIM) / scale[..., None], scale, ratio)


def scales(levels: Ints, bases: Ints, settings: Settings) -> tuple[Float32Array, Ints]:
    """(scale, ratio) as in `Whitened`, [frames, vectors], from what every reader knows."""
    amplitude = bands.amplitudes(levels, settings.hop)
    above = amplitude - bands.exponents(amplitude, bases[:, None], settings.share)
    mean = [values.reshape(len(levels), -1, DIM).sum(-1) // DIM for values in (amplitude, above)]
    amplitude, above = (np.repeat(values, settings.group, 0) for values in mean)
    return powers.real(amplitude), above


def search(vectors: Float32Array, codebooks: Float32Array) -> tuple[Ints, Float32Array, Float32Array]:
    """Greedy search of vectors [N, DIM]: (codes [N, stages], errors [N, stages + 1], what they add up to [N, ...])."""
    codes, errors, sums = [], [np.square(vectors).sum(1)], [np.zeros_like(vectors)]
    for codebook in codebooks:
        left = vectors - sums[-1]
        codes.append(nearest(left, codebook))
        sums.append(sums[-1] + codebook[codes[-1]])
        errors.append(np.square(vectors - sums[-1]).sum(1))
    return np.stack(codes, 1), np.stack(errors, 1), np.stack(sums, 1)


def nearest(vectors: Float32Array, codebook: Float32Array) -> Ints:
    """The nearest code of each vector [N, DIM], in parts that fit a cache."""
    half = np.square(codebook).sum(1) / 2
    parts = [vectors[first : first + 2048] for first in range(0, len(vectors), 2048)]
    return np.concatenate([(part @ codebook.T - half).argmax(1) for part in parts] or [np.zeros(0, np.int64)])


def stages_of(errors: Float32Array, ratio: Ints) -> Ints:
    """The number of stages of each vector [N], by its errors [N, stages + 1] and its envelope over the step."""
    weight = np.square(powers.real(ratio))  # a whitened unit in squared steps
    costs = errors * weight[:, None] + PRICE * CODE_BITS * np.arange(errors.shape[1])
    found: Ints = costs.argmin(1)
    return found
