"""What turns the coefficients of a block into bytes and back: the interface of all quantizers, and the scalar one."""

from typing import Protocol

import numpy as np

from codec.front import block, noise_filling, powers, scalar
from codec.front.block import Block
from codec.front.powers import Float32Array, Ints
from codec.front.tables import Forecast, Settings, Tables


class Coder(Protocol):
    """A quantizer behind the envelope."""

    @property
    def settings(self) -> Settings:
        """Of the transform and the envelope."""
        ...

    @property
    def forecast(self) -> Forecast:
        """What a control needs."""
        ...

    def write(self, coefficients: Float32Array, levels: Ints, bases: Ints) -> tuple[bytes, Float32Array]:
        """The bytes of a block, and the coefficients [frames, hop] that a reader finds, without noise."""
        ...

    def read(self, data: bytes, groups: int, fill: float, first: int) -> Float32Array:
        """Coefficients [frames, hop] of a block, with noise; `first` is its first frame's number. Raises `Damaged`."""
        ...


class ScalarCoder:
    """A uniform step for each coefficient, codes by their contexts."""

    def __init__(self, tables: Tables, rounding: float) -> None:
        self._tables = tables
        self._rounding = rounding  # see scalar.quantize
        self.settings = tables.settings
        self.forecast = tables.forecast

    def write(self, coefficients: Float32Array, levels: Ints, bases: Ints) -> tuple[bytes, Float32Array]:  # noqa: D102
        step = self._step(Block(bases, levels, _NOTHING))
        coded = Block(bases, levels, scalar.quantize(coefficients, step, self._rounding))
        return block.write(coded, self._tables), self._decoded(coded, step)

    def read(self, data: bytes, groups: int, fill: float, first: int) -> Float32Array:  # noqa: D102
        coded = block.read(data, groups, self._tables)
        step = self._step(coded)
        decoded = self._decoded(coded, step)
        if not fill:
            return decoded
        levels = np.repeat(coded.levels, self.settings.group, 0)
        return noise_filling.fill(decoded, coded.codes == 0, levels, step, fill, first)

    def _step(self, coded: Block) -> Float32Array:
        return powers.real(coded.exponents(self._tables)[0])

    def _decoded(self, coded: Block, step: Float32Array) -> Float32Array:
        centroids = np.stack([self._tables.contexts[index].centroids for index in self._tables.sets_of(coded.bases)])
        return scalar.dequantize(coded.codes, step, np.repeat(centroids, self.settings.group, 0))


_NOTHING: Ints = np.zeros((0, 0), np.int64)
