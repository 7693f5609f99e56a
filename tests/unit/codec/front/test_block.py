"""Blocks and all that they are made of: envelope, contexts, magnitudes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.front import bands, block, contexts, envelope, fronts, side, tables
from codec.front.block import Block
from codec.front.range_coder import Damaged
from codec.front.tables import Tables

NAMES = ["long", "short"]


def tables_of(name: str) -> Tables:
    return tables.from_arrays(tables.arrays_of(fronts.PATH, name))


def some(name: str, seed: int, groups: int, size: float) -> Block:
    random, settings = np.random.default_rng(seed), fronts.FRONTS[name].settings
    bases = side.BASE_STEP * np.cumsum(random.integers(-side.MOST_CHANGE, side.MOST_CHANGE + 1, groups))
    levels = random.integers(bands.LEAST_LEVEL, bands.MOST_LEVEL + 1, (groups, bands.BANDS))
    codes = np.round(random.laplace(0, size, (groups * settings.group, settings.hop)))
    limit = contexts.MOST_MAGNITUDE
    return Block(np.clip(bases, -256, 256), levels, np.clip(codes, -limit, limit).astype(np.int64))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0.0, 0.3, 30.0, 1e4, 1e6])
@pytest.mark.parametrize("groups", [1, 2, 5])
def test_codes_read_are_codes_written(name: str, size: float, groups: int) -> None:
    known = tables_of(name)
    coded = some(name, groups, groups, size)
    back = block.read(block.write(coded, known), groups, known)
    assert np.array_equal(back.bases, coded.bases)
    assert np.array_equal(back.levels, coded.levels)
    assert np.array_equal(back.codes, coded.codes)


@pytest.mark.parametrize("name", NAMES)
def test_levels_cost_what_their_tables_say(name: str) -> None:
    known = tables_of(name)
    levels = np.clip(np.cumsum(np.random.default_rng(0).integers(-1, 2, (40, bands.BANDS)), 0), -18, 24)
    symbols, classes = envelope.symbols_of(levels, known.envelope)
    writer = block.Writer()
    for symbol, of in zip(symbols, classes, strict=True):
        envelope.write(writer, symbol, of, known.envelope)
    assert len(writer.bytes()) * 8 == pytest.approx(
        envelope.bits_of(symbols, classes, known.envelope), abs=48, rel=0.01
    )


def test_classes_are_quarter_octaves_of_what_is_expected() -> None:
    # A frame in which all that is known is the frame before, with a weight of one.
    hop = 320
    nothing = np.zeros(hop, np.int64)
    found = []
    for magnitude in (1, 2, 16):
        last = contexts.padded(np.full(hop, magnitude << 8))
        frame = contexts.Frame(last, contexts.padded(nothing), nothing)
        found.append(contexts.classes_of(frame, None, [1 << contexts.WEIGHT_BITS, 0, 0, 0, 0, 0, 0]) % contexts.CLASSES)
    assert [set(classes.tolist()) for classes in found] == [{20}, {24}, {36}]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600), st.sampled_from(NAMES))
def test_forged_bytes_are_a_block_or_damage(data: bytes, name: str) -> None:
    known = tables_of(name)
    try:
        found = block.read(data, 3, known)
    except Damaged:
        return
    assert np.abs(found.codes).max() <= contexts.MOST_MAGNITUDE
    assert found.levels.min() >= bands.LEAST_LEVEL
    assert found.levels.max() <= bands.MOST_LEVEL
