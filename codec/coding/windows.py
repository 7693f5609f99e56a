"""Hours of signal through a model that sees only seconds of it, with the result of the whole at once.

A convolutional model's output depends on its input within a fixed reach. So it may get the input in blocks,
each with the samples before and after it that lie within the reach, whose own outputs are thrown away.
"""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn


def windows(pieces: Iterable[Tensor], block: int, context: int) -> Iterator[tuple[Tensor, int, int]]:
    """Cut a signal that comes in pieces [..., any] into windows (part [..., T], first, count).

    Of each part, `count` ≤ block samples from `first` on are new; before and after them lie up to
    `context` others, fewer only at the signal's ends.
    """
    held: Tensor | None = None
    first = 0
    for piece in pieces:
        held = piece if held is None else torch.cat([held, piece], dim=-1)
        while held.shape[-1] > first + block + context:
            yield held[..., : first + block + context], first, block
            held, first = _advance(held, first + block, context)
    while held is not None and held.shape[-1] > first:
        count = min(block, held.shape[-1] - first)
        yield held[..., : first + count + context], first, count
        held, first = _advance(held, first + count, context)


def reach(layers: nn.Module, rate: float) -> int:
    """How far to each side an output of convolutions depends on their input, in samples of audio, at most.

    `rate` is how many samples of audio a step of the input is: 1 for the encoder, the hop for the decoder.
    """
    total = 0.0
    for layer in layers.modules():
        if isinstance(layer, nn.ConvTranspose1d):
            rate /= layer.stride[0]
            total += rate * (layer.kernel_size[0] - 1)
        elif isinstance(layer, nn.Conv1d):
            before = int(layer.padding[0])
            total += rate * max(before, layer.dilation[0] * (layer.kernel_size[0] - 1) - before)
            rate *= layer.stride[0]
    return math.ceil(total)


def _advance(held: Tensor, done: int, context: int) -> tuple[Tensor, int]:
    kept = min(context, done)
    return held[..., done - kept :], kept
