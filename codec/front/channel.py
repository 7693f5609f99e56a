"""One channel of audio to blocks and back, a piece at a time, in constant memory."""

from collections.abc import Iterator

import numpy as np

from codec.front import bands, mdct
from codec.front.coder import Coder
from codec.front.forecast import Control
from codec.front.powers import Float32Array
from codec.front.tables import Settings

GROUPS = 64  # of a block, after which all starts again: 1.28 s of groups of 20 ms


def groups_of(length: int, settings: Settings) -> int:
    """Groups of frames that `length` samples take."""
    return -(-mdct.frames_of(length, settings.hop) // settings.group)


def delay_seconds(settings: Settings) -> float:
    """From a sample to the group of frames that completes it: all that the encoder sees ahead, and the transform."""
    return settings.hop * (settings.group + 1) / bands.RATE


class Encoder:
    """Samples at 16 kHz to the bytes of blocks."""

    def __init__(self, coder: Coder, control: Control) -> None:
        self._coder = coder
        self._control = control
        settings = coder.settings
        self._block = GROUPS * settings.group * settings.hop  # samples that a block moves on
        self._held = [np.zeros(settings.hop, np.float32)]  # the hop before the next block, and what came since
        self._size = settings.hop

    def feed(self, samples: Float32Array) -> Iterator[bytes]:
        """Blocks that are complete with these samples."""
        self._held.append(samples)
        self._size += len(samples)
        hop = self._coder.settings.hop
        if self._size < self._block + hop:
            return
        held = np.concatenate(self._held)
        while len(held) >= self._block + hop:
            yield self._encoded(held[: self._block + hop])
            held = held[self._block :]
        self._held, self._size = [held], len(held)

    def finish(self) -> Iterator[bytes]:
        """The last block."""
        settings = self._coder.settings
        rest = self._size - settings.hop
        groups = groups_of(rest, settings)
        # What is left fits a block, but for the one frame that the overlap takes: then there is one more.
        missing = groups * settings.group * settings.hop - rest
        yield from self.feed(np.zeros(missing, np.float32))
        if left := self._size - settings.hop:
            yield self._encoded(np.concatenate(self._held)[: left + settings.hop])

    def _encoded(self, samples: Float32Array) -> bytes:
        settings = self._coder.settings
        coefficients = mdct.forward(samples, settings.hop)
        levels = bands.levels_of(coefficients, settings.group)
        data, decoded = self._coder.write(coefficients, levels, self._control.plan(levels))
        self._control.coded(8 * len(data), float(np.square(coefficients - decoded).sum()))
        return data


class Decoder:
    """Blocks back to samples."""

    def __init__(self, coder: Coder, fill: float) -> None:
        self._coder = coder
        self._fill = fill
        self._inverse = mdct.Inverse(coder.settings.hop)
        self._frames = 0

    def feed(self, data: bytes, groups: int) -> Float32Array:
        """The samples that a block completes; of the first block the first hop is no audio. Raises `Damaged`."""
        return self._audio(self._coder.read(data, groups, self._fill, self._frames))

    def skip(self, groups: int) -> Float32Array:
        """Silence in the place of a block that is damaged."""
        settings = self._coder.settings
        return self._audio(np.zeros((groups * settings.group, settings.hop), np.float32))

    def _audio(self, coefficients: Float32Array) -> Float32Array:
        self._frames += len(coefficients)
        return self._inverse.feed(coefficients)
