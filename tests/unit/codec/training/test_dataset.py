from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codec.acoustics.normalize import TARGET_RMS, normalize
from codec.audio import AudioError, Clip, Packed, decode, pack
from codec.audio.pack import FULL_SCALE
from codec.training.dataset import CropDataset, epoch_crops, validation_crops

WriteClip = Callable[..., Path]
lengths_of_clips = st.lists(st.integers(1, 900), min_size=1, max_size=8)
segments = st.integers(1, 120)
seeds = st.integers(0, 2**31)


def clips_of(lengths: list[int]) -> list[Clip]:
    offsets = np.cumsum([0, *lengths])
    return [Clip(f"{n}.wav", int(offsets[n]), length, str(n)) for n, length in enumerate(lengths)]


def packed_noise(levels: list[float], length: int = 1000) -> Packed:
    """One clip of noise for each RMS."""
    random = np.random.default_rng(0)
    audio = np.concatenate([random.uniform(-1, 1, length) * 3**0.5 * level for level in levels])
    samples = (audio * FULL_SCALE).astype(np.int16)
    return Packed(samples, tuple(clips_of([length] * len(levels))), 16000)


@given(lengths_of_clips, segments, seeds, st.integers(0, 1000))
def test_an_epoch_is_one_pass_over_the_duration(lengths: list[int], segment: int, seed: int, epoch: int) -> None:
    crops = epoch_crops(clips_of(lengths), segment, seed, epoch)
    assert crops.shape == (sum(-(-length // segment) for length in lengths), 2)
    for index, length in enumerate(lengths):
        starts = np.sort(crops[crops[:, 0] == index, 1])
        assert starts[0] >= 0
        assert starts[-1] + segment <= max(length, segment)  # only a clip shorter than a segment is padded
        heard = np.zeros(length, dtype=bool)
        for start in starts:
            heard[start : start + segment] = True
        missed = np.flatnonzero(~heard)
        assert len(missed) < segment
        if len(missed):  # one stretch, and at one of the ends
            assert missed[-1] - missed[0] == len(missed) - 1
            assert missed[0] == 0 or missed[-1] == length - 1


@given(lengths_of_clips, segments, seeds)
def test_an_epoch_is_a_pure_function_of_seed_and_epoch(lengths: list[int], segment: int, seed: int) -> None:
    clips = clips_of(lengths)
    np.testing.assert_array_equal(epoch_crops(clips, segment, seed, 3), epoch_crops(clips, segment, seed, 3))


@pytest.mark.parametrize("length", [1600, 1000, 150])  # whole numbers of segments too
def test_over_the_epochs_every_sample_is_heard_about_equally_often(length: int) -> None:
    heard = np.zeros(length)
    starts = set()
    for epoch in range(400):
        for _, start in epoch_crops(clips_of([length]), 100, 0, epoch):
            heard[start : start + 100] += 1
            starts.add(int(start))
    assert heard.min() > 100
    assert heard.max() < 900
    assert len(starts) > 40  # of 51 or more


def test_crops_are_shuffled_over_all_clips() -> None:
    crops = epoch_crops(clips_of([1000] * 5), 100, 0, 0)
    assert len(set(crops[:10, 0].tolist())) > 2


def test_batches_hold_the_normalized_audio_of_the_epochs_crops() -> None:
    packed = packed_noise([0.1, 0.02, 0.3])
    dataset = CropDataset(packed, packed.clips, 128, 4, seed=5)
    crops = epoch_crops(packed.clips, 128, 5, 2)
    x, lengths, _ = dataset.batch(2, 1)
    assert x.dtype == torch.float32
    assert x.shape == (4, 1, 128)
    assert lengths.tolist() == [128] * 4
    for row, (index, start) in enumerate(crops[4:8]):
        first = packed.clips[index].offset + start
        raw = torch.from_numpy(packed.samples[first : first + 128].astype(np.float32) / FULL_SCALE)
        torch.testing.assert_close(x[row, 0], normalize(raw)[0])


def test_a_fresh_dataset_continues_with_the_same_batches() -> None:
    packed = packed_noise([0.1, 0.2])
    old, new = (CropDataset(packed, packed.clips, 64, 4, seed=1) for _ in range(2))
    for epoch in range(2):
        for index in range(old.steps_per_epoch):
            last = old.batch(epoch, index)[0]
    torch.testing.assert_close(new.batch(1, old.steps_per_epoch - 1)[0], last, rtol=0, atol=0)


def test_batches_never_shrink_and_an_epoch_visits_every_crop() -> None:
    packed = packed_noise([0.1] * 3, length=990)  # 30 crops: not a multiple of 4
    dataset = CropDataset(packed, packed.clips, 100, 4, seed=0)
    assert dataset.steps_per_epoch == 8
    x = torch.cat([dataset.batch(0, index)[0] for index in range(8)])
    assert x.shape == (32, 1, 100)
    assert len(torch.unique(x, dim=0)) == 30


def test_silent_crops_are_left_out_and_the_number_of_steps_stays() -> None:
    packed = packed_noise([0.1, 10 ** (-56 / 20), 0.0])
    dataset = CropDataset(packed, packed.clips, 100, 5, seed=0)
    assert dataset.steps_per_epoch == 6
    for index in range(6):
        x, *_ = dataset.batch(0, index)
        assert x.square().mean((1, 2)).sqrt().tolist() == pytest.approx([TARGET_RMS] * 5, rel=0.01)


def test_all_clips_silent_is_an_error() -> None:
    packed = packed_noise([10 ** (-56 / 20), 0.0])
    with pytest.raises(AudioError, match="all training clips are silent"):
        CropDataset(packed, packed.clips, 100, 4, seed=0).batch(0, 0)
    with pytest.raises(AudioError, match="held out for validation are silent"):
        validation_crops(packed, packed.clips, 100)


def test_a_clip_shorter_than_a_segment_is_padded_with_zeros_and_says_its_length() -> None:
    packed = packed_noise([0.1, 0.1], length=60)
    x, lengths, _ = CropDataset(packed, packed.clips, 100, 2, seed=0).batch(0, 0)
    assert lengths.tolist() == [60, 60]
    assert not x[:, :, 60:].any()
    assert x[:, :, :60].square().mean((1, 2)).sqrt().tolist() == pytest.approx([TARGET_RMS] * 2, rel=1e-3)


def test_validation_crops_are_the_same_at_every_call_spread_evenly_and_keep_their_level() -> None:
    packed = packed_noise([0.1, 0.01, 0.2, 0.0], length=1050)
    x, lengths, gain = validation_crops(packed, packed.clips, 100, limit=15)
    assert x.shape == (15, 1, 100)
    assert gain.shape == (15, 1, 1)
    assert lengths.tolist() == [100] * 15
    torch.testing.assert_close(validation_crops(packed, packed.clips, 100, limit=15)[0], x, rtol=0, atol=0)
    level = (x / gain).square().mean((1, 2)).sqrt()
    assert level.tolist() == pytest.approx([0.1] * 5 + [0.01] * 5 + [0.2] * 5, rel=0.2)


def test_a_short_validation_clip_is_one_padded_crop() -> None:
    packed = packed_noise([0.1], length=60)
    x, lengths, _ = validation_crops(packed, packed.clips, 100)
    assert x.shape == (1, 1, 100)
    assert lengths.tolist() == [60]


def test_from_files_to_batches(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip("a.flac", 1.0, 44100, 2)
    write_clip("b.mp3", 0.1, seed=1)
    packed = pack(tmp_path / "data", tmp_path / "cache", 16000)
    x, lengths, _ = CropDataset(packed, packed.clips, 16000, 2, seed=0).batch(0, 0)
    short = int(lengths.argmin())
    assert sorted(lengths.tolist()) == [1600, 16000]
    expected, _ = normalize(torch.from_numpy(decode(tmp_path / "data/b.mp3", 16000)))
    torch.testing.assert_close(x[short, 0, :1600], expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("ranks", [2, 3, 6])
def test_ranks_share_a_batch_in_order_and_know_all_of_its_lengths(ranks: int) -> None:
    packed = packed_noise([0.1, 0.2, 0.3], length=250)  # the last crop of each clip is padded
    dataset = CropDataset(packed, packed.clips, 300, 6, seed=0)
    whole = dataset.batch(0, 0)
    parts = [dataset.batch(0, 0, rank, ranks) for rank in range(ranks)]
    assert torch.equal(torch.cat([part.audio for part in parts]), whole.audio)
    assert torch.equal(torch.cat([part.lengths for part in parts]), whole.lengths)
    assert all(torch.equal(part.all_lengths, whole.lengths) for part in parts)
