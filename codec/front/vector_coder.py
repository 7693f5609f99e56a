"""Blocks of the residual vector quantizer as bytes and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from codec.front import bands, counts, noise_filling, powers, tables, vector
from codec.front.envelope import EnvelopeTables
from codec.front.powers import Float32Array, Ints
from codec.front.range_coder import Model, Reader, Writer
from codec.front.side import SideReader, SideWriter
from codec.front.tables import TOTAL, Forecast, Settings
from codec.front.vector import DIM, STAGES


@dataclass(frozen=True)
class VectorTables:
    """All that this quantizer needs beside a stream."""

    settings: Settings
    envelope: EnvelopeTables
    forecast: Forecast
    codebooks: Float32Array  # [STAGES, CODES, DIM]
    models: tuple[Model, ...]  # of the codes of each stage
    shares: tuple[Float32Array, Float32Array]  # of the numbers of stages, [counts.CLASSES, STAGES + 1] for each pass


def from_arrays(arrays: dict[str, Any]) -> VectorTables:
    """Tables of the arrays that `fit_vector.fit` returns."""
    codes = (arrays["code_counts"].astype(np.int64) / TOTAL).astype(np.float32)
    shares = (arrays["stage_counts"].astype(np.int64) / TOTAL).astype(np.float32)
    return VectorTables(
        tables.settings_of(arrays),
        tables.envelope_of(arrays),
        tables.forecast_of(arrays),
        arrays["codebooks"].astype(np.float32),
        tuple(Model(row) for row in codes),
        (shares[0], shares[1]),
    )


class VectorCoder:
    """Numbers of stages and codes, each by learned probabilities."""

    def __init__(self, known: VectorTables) -> None:
        self._known = known
        self.settings = known.settings
        self.forecast = known.forecast

    def write(self, coefficients: Float32Array, levels: Ints, bases: Ints) -> tuple[bytes, Float32Array]:  # noqa: D102
        white = vector.whiten(coefficients, levels, bases, self.settings)
        frames, vectors = white.scale.shape
        codes, errors, sums = vector.search(white.vectors.reshape(-1, DIM), self._known.codebooks)
        stages = vector.stages_of(errors, white.ratio.reshape(-1))
        decoded = sums[np.arange(len(stages)), stages].reshape(frames, vectors, DIM) * white.scale[..., None]
        writer = Writer()
        side = SideWriter(writer, bases, levels, self._known.envelope)
        codes, stages = codes.reshape(frames, vectors, STAGES), stages.reshape(frames, vectors)
        for frame in range(frames):
            if frame % self.settings.group == 0:
                side.write(frame // self.settings.group)
            last = stages[frame - 1] if frame else None
            self._write_frame(writer, white.ratio[frame], last, stages[frame], codes[frame])
        return writer.bytes(), decoded.reshape(frames, -1)

    def read(self, data: bytes, groups: int, fill: float, first: int) -> Float32Array:  # noqa: D102
        reader, settings = Reader(data), self.settings
        side = SideReader(reader, self._known.envelope)
        bases, levels = np.zeros(groups, np.int64), np.zeros((groups, bands.BANDS), np.int64)
        frames, vectors = groups * settings.group, settings.hop // DIM
        stages, decoded = np.zeros((frames, vectors), np.int64), np.zeros((frames, vectors, DIM), np.float32)
        for group in range(groups):
            bases[group], levels[group] = side.read()
            scale, ratio = vector.scales(levels[group : group + 1], bases[group : group + 1], settings)
            for frame in range(group * settings.group, (group + 1) * settings.group):
                last = stages[frame - 1] if frame else None
                stages[frame], sums = self._read_frame(reader, ratio[0], last)
                decoded[frame] = sums * scale[0][:, None]
        coefficients = decoded.reshape(frames, -1)
        if not fill:
            return coefficients
        amplitude = bands.amplitudes(levels, settings.hop)
        step = powers.real(bands.exponents(amplitude, bases[:, None], settings.share))
        empty = np.repeat(stages == 0, DIM, 1)
        levels, step = np.repeat(levels, settings.group, 0), np.repeat(step, settings.group, 0)
        return noise_filling.fill(coefficients, empty, levels, step, fill, first)

    def _write_frame(self, writer: Writer, ratio: Ints, last: Ints | None, stages: Ints, codes: Ints) -> None:
        for turn, now in ((0, None), (1, stages)):
            shares = self._known.shares[turn]
            writer.rows(stages[turn::2], shares[counts.classes_of(ratio, last, now)])
        for stage, model in enumerate(self._known.models):
            writer.many(codes[stages > stage, stage], model)

    def _read_frame(self, reader: Reader, ratio: Ints, last: Ints | None) -> tuple[Ints, Float32Array]:
        """(numbers of stages [vectors], whitened vectors [vectors, DIM])."""
        stages = np.zeros(len(ratio), np.int64)
        stages[0::2] = reader.rows(self._known.shares[0][counts.classes_of(ratio, last, None)])
        stages[1::2] = reader.rows(self._known.shares[1][counts.classes_of(ratio, last, stages)])
        sums = np.zeros((len(ratio), DIM), np.float32)
        for stage in range(int(stages.max())):
            present = np.flatnonzero(stages > stage)
            sums[present] += self._known.codebooks[stage][reader.many(len(present), self._known.models[stage])]
        return stages, sums
