"""Audio to MDCT coefficients and back, in pieces.

Orthonormal, with a sine window of two hops (Princen, Johnson and Bradley 1987): a squared error of the coefficients is
the same squared error of the audio. Frame t covers the samples (t - 1) hop to (t + 1) hop.
"""

import functools

import numpy as np

from codec.front.powers import Float32Array


def frames_of(length: int, hop: int) -> int:
    """Frames that `length` samples take."""
    return -(-length // hop) + 1


def forward(samples: Float32Array, hop: int) -> Float32Array:
    """Samples [(n + 1) hop], the first hop being the one before -> coefficients [n, hop]."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, 2 * hop)[::hop]
    return windows @ _basis(hop).T


class Inverse:
    """Coefficients back to audio, some frames at a time."""

    def __init__(self, hop: int) -> None:
        self._hop = hop
        self._tail = np.zeros(hop, np.float32)  # of the frame before, still to be overlapped

    def feed(self, coefficients: Float32Array) -> Float32Array:
        """Coefficients [n, hop] -> the n hop samples that they complete: those before the centre of the last frame."""
        hop = self._hop
        parts = coefficients.astype(np.float32) @ _basis(hop)
        audio = parts[:, :hop].copy()
        audio[0] += self._tail
        audio[1:] += parts[:-1, hop:]
        self._tail = parts[-1, hop:].copy()
        return audio.reshape(-1)


@functools.cache
def _basis(hop: int) -> Float32Array:
    """Rows of the transform, [hop, 2 hop]."""
    sample, row = np.arange(2 * hop) + 0.5, np.arange(hop)[:, None] + 0.5
    window = np.sin(np.pi / (2 * hop) * sample)
    basis: Float32Array = (np.sqrt(2 / hop) * window * np.cos(np.pi / hop * row * (sample + hop / 2))).astype(
        np.float32
    )
    return basis
