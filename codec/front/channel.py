"""One channel of audio to blocks and back, a piece at a time, in constant memory."""

from collections.abc import Iterator

import numpy as np

from codec.front import bands, block, mdct, noise_filling, powers, scalar
from codec.front.block import GROUPS, Block
from codec.front.forecast import Control
from codec.front.powers import Float32Array, Ints
from codec.front.tables import Settings, Tables


def groups_of(length: int, settings: Settings) -> int:
    """Groups of frames that `length` samples take."""
    return -(-mdct.frames_of(length, settings.hop) // settings.group)


def delay_seconds(settings: Settings) -> float:
    """From a sample to the group of frames that completes it: all that the encoder sees ahead, and the transform."""
    return settings.hop * (settings.group + 1) / bands.RATE


class Encoder:
    """Samples at 16 kHz to the bytes of blocks."""

    def __init__(self, tables: Tables, rounding: float, control: Control) -> None:
        self._tables = tables
        self._rounding = rounding
        self._control = control
        settings = tables.settings
        self._block = GROUPS * settings.group * settings.hop  # samples that a block moves on
        self._held = [np.zeros(settings.hop, np.float32)]  # the hop before the next block, and what came since
        self._size = settings.hop

    def feed(self, samples: Float32Array) -> Iterator[bytes]:
        """Blocks that are complete with these samples."""
        self._held.append(samples)
        self._size += len(samples)
        hop = self._tables.settings.hop
        if self._size < self._block + hop:
            return
        held = np.concatenate(self._held)
        while len(held) >= self._block + hop:
            yield self._encoded(held[: self._block + hop])
            held = held[self._block :]
        self._held, self._size = [held], len(held)

    def finish(self) -> Iterator[bytes]:
        """The last block."""
        settings = self._tables.settings
        rest = self._size - settings.hop
        groups = groups_of(rest, settings)
        # What is left fits a block, but for the one frame that the overlap takes: then there is one more.
        missing = groups * settings.group * settings.hop - rest
        yield from self.feed(np.zeros(missing, np.float32))
        if left := self._size - settings.hop:
            yield self._encoded(np.concatenate(self._held)[: left + settings.hop])

    def _encoded(self, samples: Float32Array) -> bytes:
        settings = self._tables.settings
        coefficients = mdct.forward(samples, settings.hop)
        levels = bands.levels_of(coefficients, settings.group)
        bases = self._control.plan(levels)
        step = powers.real(Block(bases, levels, _NOTHING).exponents(self._tables)[0])
        codes = scalar.quantize(coefficients, step, self._rounding)
        data = block.write(Block(bases, levels, codes), self._tables)
        error = coefficients - decoded(Block(bases, levels, codes), self._tables)
        self._control.coded(8 * len(data), float(np.square(error).sum()))
        return data


class Decoder:
    """Blocks back to samples."""

    def __init__(self, tables: Tables, fill: float) -> None:
        self._tables = tables
        self._fill = fill
        self._inverse = mdct.Inverse(tables.settings.hop)
        self._frames = 0

    def feed(self, data: bytes, groups: int) -> Float32Array:
        """The samples that a block completes; of the first block the first hop is no audio. Raises `Damaged`."""
        return self._audio(self.coefficients(block.read(data, groups, self._tables)))

    def skip(self, groups: int) -> Float32Array:
        """Silence in the place of a block that is damaged."""
        settings = self._tables.settings
        return self._audio(np.zeros((groups * settings.group, settings.hop), np.float32))

    def coefficients(self, coded: Block) -> Float32Array:
        """What a block stands for, [frames, hop]."""
        exact = decoded(coded, self._tables)
        if not self._fill:
            return exact
        levels = np.repeat(coded.levels, self._tables.settings.group, 0)
        step = powers.real(coded.exponents(self._tables)[0])
        return noise_filling.fill(exact, coded.codes, levels, step, self._fill, self._frames)

    def _audio(self, coefficients: Float32Array) -> Float32Array:
        self._frames += len(coefficients)
        return self._inverse.feed(coefficients)


def decoded(coded: Block, tables: Tables) -> Float32Array:
    """What a block's codes stand for, without noise, [frames, hop]."""
    step = powers.real(coded.exponents(tables)[0])
    centroids = np.stack([tables.contexts[index].centroids for index in tables.sets_of(coded.bases)])
    return scalar.dequantize(coded.codes, step, np.repeat(centroids, tables.settings.group, 0))


_NOTHING: Ints = np.zeros((0, 0), np.int64)
