"""The residual vector quantizer: its search, the classes of its numbers, its streams."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.front import bands, counts, fit_vector, fronts, mdct, vector
from codec.front.coder import Coder
from codec.front.range_coder import Damaged
from codec.front.side import BASE_STEP
from front_audio import decoded, encoded, voice_like

RNG = np.random.default_rng(0)


def coder() -> Coder:
    return fronts.coder_of("vector")


def test_the_nearest_code_is_the_nearest() -> None:
    vectors, book = RNG.normal(size=(5000, 8)).astype(np.float32), RNG.normal(size=(64, 8)).astype(np.float32)
    distances = np.square(vectors[:, None] - book).sum(-1)
    assert np.array_equal(vector.nearest(vectors, book), distances.argmin(1))
    assert len(vector.nearest(vectors[:0], book)) == 0


def test_each_stage_leaves_less_and_sums_are_what_codes_stand_for() -> None:
    books = np.stack([RNG.normal(0, 0.5**stage, (256, 8)) for stage in range(4)]).astype(np.float32)
    vectors = RNG.normal(size=(100, 8)).astype(np.float32)
    codes, errors, sums = vector.search(vectors, books)
    assert np.all(np.diff(errors.mean(0)) < 0)
    expected = np.stack([books[stage][codes[:, stage]] for stage in range(4)], 1).cumsum(1)
    assert np.allclose(sums[:, 1:], expected, atol=1e-5)
    assert np.allclose(errors, np.square(vectors[:, None] - sums).sum(-1), atol=1e-4)


def test_vectors_far_above_the_step_take_more_stages() -> None:
    errors = np.tile(8 * 0.4 ** np.arange(vector.STAGES + 1, dtype=np.float32), (5, 1))
    stages = vector.stages_of(errors, np.array([-64, -16, 0, 32, 128]))
    assert stages[0] == 0
    assert stages[-1] == vector.STAGES
    assert np.all(np.diff(stages) >= 0)


@pytest.mark.parametrize("restart", [True, False])
def test_classes_of_one_frame_are_those_of_many(restart: bool) -> None:
    ratio, now = RNG.integers(-100, 200, (6, 40)), RNG.integers(0, vector.STAGES + 1, (6, 40))
    last = None if restart else RNG.integers(0, vector.STAGES + 1, (6, 40))
    for of_pass in (None, now):
        whole = counts.classes_of(ratio, last, of_pass)
        assert whole.shape == (6, 20)
        assert 0 <= whole.min() <= whole.max() < counts.CLASSES
        for frame in range(6):
            one = counts.classes_of(
                ratio[frame], None if last is None else last[frame], None if of_pass is None else of_pass[frame]
            )
            assert np.array_equal(one, whole[frame])


def test_classes_do_not_depend_on_what_is_not_coded_yet() -> None:
    ratio, last, now = np.zeros(40, np.int64), np.zeros(40, np.int64), np.zeros(40, np.int64)
    later = now.copy()
    later[1::2] = 5
    assert np.array_equal(counts.classes_of(ratio, last, now), counts.classes_of(ratio, last, later))


def test_a_block_comes_back_as_its_writer_said() -> None:
    front, audio = coder(), voice_like(2.0)
    padded = np.concatenate([np.zeros(320, np.float32), audio])
    coefficients = mdct.forward(padded[: 321 * 320 // 4 // 320 * 320], 320)
    levels = bands.levels_of(coefficients, 1)
    bases = BASE_STEP * np.round(RNG.normal(-40, 1, len(levels))).astype(np.int64)
    data, said = front.write(coefficients, levels, bases)
    assert np.allclose(front.read(data, len(levels), 0.0, 0), said, atol=1e-5)


@pytest.mark.parametrize("kbps", [8.0, 16.0, 24.0])
def test_a_stream_keeps_to_its_rate_and_more_bits_are_more_snr(kbps: float) -> None:
    audio = voice_like(10.0)
    blocks = encoded(audio, "vector", kbps)
    assert sum(map(len, blocks)) * 8 / 10.0 / 1000 == pytest.approx(kbps, rel=0.1)
    back = decoded(blocks, "vector", len(audio), fill=0.0)
    assert 10 * np.log10(np.sum(audio**2) / np.sum((audio - back) ** 2)) > 4 + 0.5 * kbps


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600))
def test_forged_bytes_are_a_block_or_damage(data: bytes) -> None:
    try:
        found = coder().read(data, 3, 0.4, 0)
    except Damaged:
        return
    assert np.isfinite(found).all()


def test_k_means_finds_clusters_and_leaves_no_code_empty() -> None:
    centres = 10 * np.eye(8, dtype=np.float32)
    vectors = np.repeat(centres, 200, 0) + RNG.normal(0, 0.1, (1600, 8)).astype(np.float32)
    book = fit_vector.kmeans(vectors, 32, np.random.default_rng(0))
    assert set(np.bincount(vector.nearest(book, centres), minlength=8) > 0) == {True}
    assert np.bincount(vector.nearest(vectors, book), minlength=32).min() > 0
