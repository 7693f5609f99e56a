import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.audio import AudioError, decode, pack
from codec.audio.errors import UserError
from codec.audio.pack import to_int16, write_table

WriteClip = Callable[..., Path]


def test_packs_all_clips_in_order_and_names_what_sounds_the_same(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip("b.wav", 0.5, seed=1)
    write_clip("a/other.flac", 0.5, 44100, 2, seed=2)
    shutil.copy(tmp_path / "data/b.wav", tmp_path / "data/copy.wav")
    progress: list[tuple[int, int]] = []
    packed = pack(tmp_path / "data", tmp_path / "cache", 16000, lambda *args: progress.append(args))
    assert [clip.name for clip in packed.clips] == ["a/other.flac", "b.wav", "copy.wav"]
    assert progress == [(1, 3), (2, 3), (3, 3)]
    assert packed.clips[1].sha256 == packed.clips[2].sha256 != packed.clips[0].sha256
    assert packed.samples.dtype == np.int16
    for clip in packed.clips:
        audio = to_int16(decode(tmp_path / "data" / clip.name, 16000))
        np.testing.assert_array_equal(packed.samples[clip.offset : clip.offset + clip.length], audio)
    assert sum(clip.length for clip in packed.clips) == len(packed.samples)


def test_16_bit_audio_comes_through_bit_for_bit(tmp_path: Path) -> None:
    audio = np.array([-32768, -32767, -1, 0, 1, 32766, 32767], dtype=np.int16)
    (tmp_path / "data").mkdir()
    soundfile.write(tmp_path / "data/a.wav", audio, 16000)
    np.testing.assert_array_equal(pack(tmp_path / "data", tmp_path / "cache", 16000).samples, audio)


def test_beyond_full_scale_is_clipped_and_does_not_wrap_around() -> None:
    audio = np.array([-3.0, -1.0, 0.99999, 1.0, 3.0], dtype=np.float32)
    assert to_int16(audio).tolist() == [-32768, -32768, 32767, 32767, 32767]


def test_is_reused_while_unchanged_and_built_anew_when_content_name_or_rate_differs(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    decoded: list[int] = []

    def packed_names(rate: int = 16000) -> list[str]:
        decoded.clear()
        packed = pack(tmp_path / "data", tmp_path / "cache", rate, lambda done, _: decoded.append(done))
        return [clip.name for clip in packed.clips]

    path = write_clip("a.wav", seed=1)
    packed_names()
    path.touch()
    assert packed_names() == ["a.wav"]
    assert decoded == []
    write_clip("a.wav", seed=2)
    packed_names()
    assert decoded == [1]
    packed_names(8000)
    assert decoded == [1]
    path.rename(path.with_name("b.wav"))
    assert packed_names() == ["b.wav"]


def test_a_bad_clip_is_named_and_nothing_is_kept(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip("a.wav")
    (tmp_path / "data/notes.wav").write_text("words\n" * 50)
    with pytest.raises(AudioError, match=r"notes\.wav"):
        pack(tmp_path / "data", tmp_path / "cache", 16000)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def folder_with(tmp_path: Path, good: int, broken: int) -> Path:
    """Short float clips, each of another level; the broken ones begin well and end in NaN."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(good + broken):
        audio = np.full(100, 0.001 * (number + 1), np.float32)
        if number < broken:
            audio[-1] = np.nan
        soundfile.write(folder / f"{number:03d}.wav", audio, 16000, subtype="FLOAT")
    return folder


def test_one_clip_in_a_hundred_may_be_broken_it_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, good=199, broken=1)
    (folder / "100.wav").write_bytes(b"")
    for _ in range(2):  # decoded, then from the cache
        packed = pack(folder, tmp_path / "cache", 16000)
        assert [str(clip) for clip in packed.skipped] == [
            "000.wav: skipped, holds NaN or infinite samples; export it again as 16-bit wav or flac",
            "100.wav: skipped, is an empty file; copy it again or remove it",
        ]
        assert len(packed.clips) == 198
        assert len(packed.samples) == 198 * 100
        for clip in packed.clips:
            audio = to_int16(decode(folder / clip.name, 16000))
            np.testing.assert_array_equal(packed.samples[clip.offset : clip.offset + 100], audio)


def test_more_are_refused_in_one_line_and_nothing_is_kept(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, good=90, broken=12)
    said = r"data: 12 of 102 clips cannot be used, more than 1%: 000\.wav \(holds NaN or infinite samples\), .*"
    with pytest.raises(AudioError, match=said + "and 2 more; mend or remove them") as caught:
        pack(folder, tmp_path / "cache", 16000)
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_nothing_half_written_stays(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip("a.wav", 4.0)
    folders = [str(tmp_path / "data"), str(tmp_path / "cache")]
    command = [sys.executable, "-B", "-c", PACKS_INTO_50_KB, *folders]
    message = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout
    assert f"cache: the decoded audio cannot be kept there ({os.strerror(errno.EFBIG)}); make room" in message
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


# The kernel refuses to let a file grow further: as near to a full disk as one gets without root.
PACKS_INTO_50_KB = """
import resource, signal, sys
from pathlib import Path
from codec.audio import pack
from codec.audio.errors import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    pack(Path(sys.argv[1]), Path(sys.argv[2]), 16000)
except UserError as error:
    print(error)
"""


def test_a_cache_that_cannot_be_a_folder(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip("a.wav")
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match="cache: the decoded audio cannot be kept there"):
        pack(tmp_path / "data", tmp_path / "cache", 16000)


def packed_folder(tmp_path: Path, write_clip: WriteClip) -> Path:
    """A folder as a pod pulls it: samples with something else between the clips, and their table."""
    write_clip("a.wav", 0.5, seed=1)
    write_clip("b.flac", 0.3, seed=2)
    packed = pack(tmp_path / "data", tmp_path / "cache", 16000)
    folder = tmp_path / "packed"
    folder.mkdir()
    content, clips = b"", []
    for clip in packed.clips:
        content += b"\x55" * 512
        clips.append(replace(clip, offset=len(content) // 2))
        content += packed.samples[clip.offset : clip.offset + clip.length].tobytes()
    (folder / "samples.int16").write_bytes(content)
    write_table(folder, clips, 16000)
    return folder


def test_packed_audio_is_mapped_as_it_is(tmp_path: Path, write_clip: WriteClip) -> None:
    folder = packed_folder(tmp_path, write_clip)
    ours, theirs = pack(tmp_path / "data", tmp_path / "cache", 16000), pack(folder, tmp_path / "unused", 16000)
    assert isinstance(theirs.samples, np.memmap)
    assert not (tmp_path / "unused").exists()
    for our, their in zip(ours.clips, theirs.clips, strict=True):
        assert (our.name, our.sha256) == (their.name, their.sha256)
        np.testing.assert_array_equal(
            ours.samples[our.offset : our.offset + our.length],
            theirs.samples[their.offset : their.offset + their.length],
        )


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "clips.json").write_text("{"),
        lambda folder: (folder / "clips.json").write_text("[]"),
        lambda folder: (folder / "clips.json").write_text('{"format": 1, "sample_rate": 16000, "clips": []}'),
        lambda folder: (folder / "samples.int16").write_bytes(b""),
        lambda folder: os.truncate(folder / "samples.int16", 9000),
        lambda folder: os.truncate(folder / "samples.int16", 9001),
    ],
)
def test_damaged_packed_audio_is_one_line(
    tmp_path: Path, write_clip: WriteClip, damage: Callable[[Path], object]
) -> None:
    folder = packed_folder(tmp_path, write_clip)
    damage(folder)
    with pytest.raises(AudioError, match="packed: the packed audio in it is incomplete or damaged; fetch it again"):
        pack(folder, tmp_path / "unused", 16000)


def test_packed_audio_of_another_rate_is_refused(tmp_path: Path, write_clip: WriteClip) -> None:
    with pytest.raises(AudioError, match="holds audio packed at 16000 Hz, not 24000"):
        pack(packed_folder(tmp_path, write_clip), tmp_path / "unused", 24000)


KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from pathlib import Path
from codec.audio import pack
pack(Path(sys.argv[1]), Path(sys.argv[2]), 16000, lambda done, total: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.slow
def test_a_killed_packer_leaves_nothing_that_looks_complete(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip("a.wav", seed=1)
    write_clip("b.wav", seed=2)
    folders = [str(tmp_path / "data"), str(tmp_path / "cache")]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_MIDDLE, *folders], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [".lock", ".partial"]
    packed = pack(tmp_path / "data", tmp_path / "cache", 16000)
    assert len(packed.samples) == 32000
    assert not (tmp_path / "cache/.partial").exists()


@pytest.mark.slow
def test_two_packers_at_once_decode_once(tmp_path: Path, write_clip: WriteClip) -> None:
    for seed in range(5):
        write_clip(f"{seed}.flac", seed=seed)
    folders = [str(tmp_path / "data"), str(tmp_path / "cache")]
    both = [
        subprocess.Popen([sys.executable, "-c", COUNTS_WHAT_IT_DECODES, *folders], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert sorted(packer.communicate(timeout=60)[0] for packer in both) == [b"0\n", b"5\n"]


COUNTS_WHAT_IT_DECODES = """
import sys
from pathlib import Path
from codec.audio import pack
decoded = []
packed = pack(Path(sys.argv[1]), Path(sys.argv[2]), 16000, lambda done, total: decoded.append(done))
assert len(packed.samples) == 80000
print(len(decoded))
"""
