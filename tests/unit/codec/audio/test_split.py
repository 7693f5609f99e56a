import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.audio import AudioError, Clip, split

sounds = st.lists(st.integers(0, 12), min_size=2, max_size=40).filter(lambda them: len(set(them)) > 1)


def clips_of(sounds: list[int]) -> list[Clip]:
    """One clip a number; equal numbers sound the same."""
    return [
        Clip(f"{place}.wav", place * 100, 100, hashlib.sha256(bytes([sound])).hexdigest())
        for place, sound in enumerate(sounds)
    ]


@given(sounds, st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_nothing_leaks_nothing_is_lost_and_both_sides_have_something(
    sounds: list[int], share: float, seed: int
) -> None:
    clips = clips_of(sounds)
    training, validation = split(clips, share, seed)
    assert not {clip.sha256 for clip in training} & {clip.sha256 for clip in validation}
    assert sorted(training + validation, key=lambda clip: clip.offset) == clips
    assert training
    assert validation


@given(sounds, st.integers(0, 99))
def test_sides_depend_on_sound_and_seed_not_on_order_or_names(sounds: list[int], seed: int) -> None:
    held_out = {clip.sha256 for clip in split(clips_of(sounds), 0.3, seed)[1]}
    assert {clip.sha256 for clip in split(clips_of(sounds[::-1]), 0.3, seed)[1]} == held_out


def test_the_share_is_of_the_distinct_clips_and_the_seed_matters() -> None:
    clips = clips_of(list(range(50)))
    assert len(split(clips, 0.1, 0)[1]) == 5
    assert split(clips, 0.1, 0) == split(clips, 0.1, 0)
    assert split(clips, 0.1, 0) != split(clips, 0.1, 1)


@pytest.mark.parametrize("sounds", [[1], [1, 1, 1]])
def test_one_sound_cannot_be_split(sounds: list[int]) -> None:
    with pytest.raises(AudioError, match="1 distinct clip cannot be split"):
        split(clips_of(sounds), 0.1, 0)


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_a_share_that_is_none(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        split(clips_of([1, 2]), share, 0)
