import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from codec.audio.shards import ChangedClipError, Member, group, offsets, write_shard

lengths = st.integers(1, 3000)


def member(length: int, seed: int = 0) -> tuple[Member, bytes]:
    pcm = np.random.default_rng([length, seed]).integers(-30000, 30000, length, dtype="<i2").tobytes()
    return Member(hashlib.sha256(pcm).hexdigest(), length), pcm


def members_of(numbers: list[int]) -> list[Member]:
    return [Member(hashlib.sha256(str(number).encode()).hexdigest(), number) for number in numbers]


def write(path: Path, clips: dict[Member, bytes], rate: int = 16000) -> str:
    def read(wanted: Member) -> Iterator[bytes]:
        pcm = clips[wanted]
        yield from (pcm[at : at + 1000] for at in range(0, len(pcm), 1000))

    return write_shard(path, list(clips), rate, read)


@given(st.lists(lengths, min_size=1, max_size=6, unique=True))
def test_every_clip_lies_at_its_offset_and_is_a_wav_file(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int]
) -> None:
    path = tmp_path_factory.mktemp("shard") / "shard.tar"
    clips = dict(member(number) for number in numbers)
    sha256 = write(path, clips)
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == sha256
    for clip, at in zip(clips, offsets(list(clips)), strict=True):
        assert at % 2 == 0
        assert content[at : at + 2 * clip.length] == clips[clip]
    with tarfile.open(path) as archive:
        assert archive.getnames() == [f"{clip.sha256}.wav" for clip in clips]
        for clip, pcm in clips.items():
            file = archive.extractfile(f"{clip.sha256}.wav")
            assert file is not None
            samples, rate = soundfile.read(io.BytesIO(file.read()), dtype="int16")
            assert (samples.tobytes(), rate) == (pcm, 16000)


def test_the_bytes_are_those_of_the_clips_alone(tmp_path: Path) -> None:
    clips = dict(member(number) for number in (10, 2000))
    assert write(tmp_path / "a.tar", clips) == write(tmp_path / "b.tar", clips)
    assert write(tmp_path / "c.tar", clips, 8000) != write(tmp_path / "a.tar", clips)


@pytest.mark.parametrize("wrong", [b"", bytes(20), bytes(18), bytes(22)])
def test_other_samples_than_announced_are_refused(tmp_path: Path, wrong: bytes) -> None:
    clip, _ = member(10)
    with pytest.raises(ChangedClipError) as error:
        write(tmp_path / "a.tar", {clip: wrong})
    assert error.value.member == clip


@given(st.lists(lengths, max_size=60), st.integers(100, 20000), st.randoms())
def test_groups_hold_every_clip_once_in_whatever_order_they_come(
    numbers: list[int], target: int, random: object
) -> None:
    members = members_of(numbers)
    groups = group(members, target)
    assert sorted(clip for each in groups for clip in each) == sorted(set(members))
    assert all(groups)
    random.shuffle(members)  # type: ignore[attr-defined]
    assert group(members, target) == groups


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=200, unique=True), st.integers(10_001, 20_000))
def test_one_more_clip_changes_one_group(numbers: list[int], new: int) -> None:
    target = 100_000
    before, after = group(members_of(numbers), target), group(members_of([*numbers, new]), target)
    shards = [max(-(-sum(2 * number for number in each) // target), 1) for each in (numbers, [*numbers, new])]
    if (shards[0] - 1).bit_length() == (shards[1] - 1).bit_length():
        assert len([each for each in after if each not in before]) == 1


def test_groups_of_many_clips_are_about_as_large_as_wanted() -> None:
    members = [Member(hashlib.sha256(str(number).encode()).hexdigest(), 50_000) for number in range(5000)]  # 500 MB
    sizes = [sum(2 * clip.length for clip in each) for each in group(members, 64 << 20)]
    assert len(sizes) == 8
    assert 0.4 * (64 << 20) < min(sizes) <= max(sizes) < 1.3 * (64 << 20)
