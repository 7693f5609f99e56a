import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codec.audio import ClipInfo
from job.checks.finding import Finding, Level
from job.checks.preflight.clips import about_clips
from job.dataset import BrokenClip, LocalData

FOLDER = Path("/clips")
CLEAN = {"silent", "clipped", "offset", "duplicates", "rates", "peaks", "clips"}


def clip(name: str, **changes: Any) -> ClipInfo:
    """A good clip of 4 s whose peak is its own."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    good = ClipInfo(
        path=FOLDER / name, sample_rate=16000, channels=1, seconds=4.0, rms=0.08, peak=0.3 + int(digest[:4], 16) / 1e5,
        finite=True, dc=0.0, clipped=0.0, length=64000, sha256=digest, envelope=(),
    )  # fmt: skip
    return replace(good, **changes)


def data(*clips: ClipInfo, broken: tuple[BrokenClip, ...] = ()) -> LocalData:
    return LocalData(FOLDER, 16000, clips, broken)


def found(check: str, *clips: ClipInfo) -> Finding | None:
    """The finding of one check about some clips, beside ten good ones."""
    good = [clip(f"good{number}.wav") for number in range(10)]
    findings = [finding for finding in about_clips(data(*good, *clips), 16000) if finding.check == check]
    assert len(findings) <= 1
    return findings[0] if findings else None


def test_good_clips_have_only_levels() -> None:
    findings = about_clips(data(*(clip(f"{number}.wav") for number in range(10))), 16000)
    assert [(finding.level, finding.check) for finding in findings] == [(Level.NOTE, "levels")]
    assert "-25 to -20: 10" in findings[0].message


@pytest.mark.parametrize(
    ("check", "changes", "almost"),
    [
        ("silent", {"rms": 0.003}, {"rms": 0.0032}),  # -50 dB is 0.00316
        ("clipped", {"clipped": 0.002}, {"clipped": 0.0009}),
        ("offset", {"dc": -0.009}, {"dc": 0.007}),  # of an RMS of 0.08
        ("rates", {"sample_rate": 44100}, {}),
    ],
)
def test_a_clip_with_a_fault_is_a_warning_and_named(
    check: str, changes: dict[str, Any], almost: dict[str, Any]
) -> None:
    finding = found(check, clip("bad.wav", **changes))
    assert finding is not None
    assert finding.level is Level.WARNING
    assert check == "rates" or "1 of 11 clips is" in finding.message
    assert check == "rates" or "bad.wav" in finding.message
    assert found(check, clip("fine.wav", **almost)) is None


def test_clips_below_the_models_rate() -> None:
    findings = about_clips(data(clip("a.wav", sample_rate=8000), clip("b.wav", sample_rate=8000)), 16000)
    (finding,) = [finding for finding in findings if finding.check == "rates" and finding.level is Level.WARNING]
    assert "2 of 2 clips have less than the model's 16000 Hz" in finding.message


def test_copies() -> None:
    finding = found("duplicates", clip("a.wav", sha256="same"), clip("b.wav", sha256="same"))
    assert finding is not None
    assert finding.message.startswith("1 of 12 clips sound")
    assert "a.wav, b.wav" in finding.message


def test_peaks_at_one_value_are_normalized_ones() -> None:
    normalized = [clip(f"{number}.wav", peak=0.95) for number in range(50)]
    finding = found("peaks", *normalized)
    assert finding is not None
    assert finding.level is Level.NOTE
    assert "50 of 60 clips peak at 0.95" in finding.message
    assert found("peaks", *normalized[:10]) is None


def test_broken_clips_are_one_error_that_names_ten() -> None:
    broken = tuple(BrokenClip(f"{number:02}.wav", "is truncated or damaged; copy it again") for number in range(12))
    (finding,) = [
        item for item in about_clips(data(clip("a.wav"), clip("b.wav"), broken=broken), 16000) if item.check == "clips"
    ]
    assert finding.level is Level.ERROR
    assert finding.message.startswith("/clips: 12 of 14 clips cannot be used: 00.wav (is truncated or damaged), ")
    assert finding.message.endswith("09.wav (is truncated or damaged) and 2 more; mend or remove them")


def test_a_single_broken_clip_keeps_its_own_words() -> None:
    broken = (BrokenClip("x.wav", "is an empty file; copy it again or remove it"),)
    assert about_clips(data(broken=broken), 16000)[0].message == (
        "/clips/x.wav: is an empty file; copy it again or remove it"
    )


def test_a_finding_is_one_line_whatever_a_file_is_called() -> None:
    broken = (BrokenClip("new\nline.wav", "has a name that cannot be kept in a store; rename it"),)
    assert about_clips(data(broken=broken), 16000)[0].message.startswith("/clips/new line.wav: has a name")


def test_only_silence_and_a_single_sound_are_errors() -> None:
    silent = about_clips(data(clip("a.wav", rms=0.001), clip("b.wav", rms=0.0)), 16000)
    assert (silent[0].level, "every clip is silent" in silent[0].message) == (Level.ERROR, True)
    single = about_clips(data(clip("a.wav", sha256="same"), clip("b.wav", sha256="same")), 16000)
    assert (single[0].level, "single clip" in single[0].message) == (Level.ERROR, True)
