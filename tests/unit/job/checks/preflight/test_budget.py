import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codec.audio import ClipInfo
from job.checks.finding import Finding, Level
from job.checks.preflight.budget import about_budget, count_steps
from job.dataset import LocalData
from job.spec.model import JobSpec

FOLDER = Path("/clips")
CONFIG: dict[str, Any] = {
    "sample_rate": 16000, "segment_length": 16000, "batch_size": 16, "num_epochs": 100, "warmup_steps": 500,
    "validation_share": 0.1, "seed": 0,
}  # fmt: skip


def clips(number: int, seconds: float = 4.0, rms: float = 0.1) -> list[ClipInfo]:
    names = [f"{index:05}.wav" for index in range(number)]
    return [
        ClipInfo(
            path=FOLDER / name, sample_rate=16000, channels=1, seconds=seconds, rms=rms, peak=0.5, finite=True, dc=0.0,
            clipped=0.0, length=round(seconds * 16000), sha256=hashlib.sha256(name.encode()).hexdigest(), envelope=(),
        )
        for name in names
    ]  # fmt: skip


def spec(**checklist: Any) -> JobSpec:
    return JobSpec.model_validate({"name": "a", "data": "/clips", "checklist": checklist})


def about(found: list[ClipInfo], job: JobSpec | None = None, **changes: Any) -> dict[tuple[str, Level], list[Finding]]:
    """The findings, by check and level."""
    config = CONFIG | changes
    data = LocalData(FOLDER, 16000, tuple(found), ())
    grouped: dict[tuple[str, Level], list[Finding]] = {}
    for finding in about_budget(count_steps(data, config), job or spec(), config, data):
        grouped.setdefault((finding.check, finding.level), []).append(finding)
    return grouped


def test_enough_is_only_noted() -> None:
    found = about(clips(5000, 5.0))
    assert list(found) == [("steps", Level.NOTE)]
    assert found["steps", Level.NOTE][0].message.startswith("1407 steps per epoch x 100 epochs = 140700 steps, from 6.")


def test_36_long_files_are_not_3_steps_an_epoch() -> None:
    data = LocalData(FOLDER, 16000, tuple(clips(36, 1800.0)), ())
    assert count_steps(data, CONFIG).steps_per_epoch == 32 * 1800 // 16


def test_fewer_steps_than_min_steps_is_an_error() -> None:
    (finding,) = about(clips(100), num_epochs=10)["steps", Level.ERROR]
    assert finding.message.startswith("23 steps per epoch x 10 epochs = 230 steps: fewer than the 3000")
    assert "131 epochs would do" in finding.message
    assert ("steps", Level.ERROR) not in about(clips(100), num_epochs=131)


def test_fewer_than_5000_steps_is_a_warning_unless_the_spec_has_its_own_min_steps() -> None:
    said = "learning takes 5000 or more"
    assert any(said in finding.message for finding in about(clips(1000), num_epochs=20)["steps", Level.WARNING])
    assert ("steps", Level.WARNING) not in about(clips(1000), spec(min_steps=100), num_epochs=20)
    assert ("steps", Level.WARNING) not in about(clips(1000), num_epochs=23)


@pytest.mark.parametrize(
    ("changes", "checklist", "said"),
    [
        ({"batch_size": 100}, {}, "36 steps per epoch: below 50"),
        ({"warmup_steps": 30000}, {}, "the warm-up (30000 steps) is as long as the run"),
        ({}, {"epoch": 101}, "checklist.epoch 101 lies after the last epoch"),
    ],
)
def test_plans_that_waste_steps(changes: dict[str, Any], checklist: dict[str, Any], said: str) -> None:
    messages = [finding.message for finding in about(clips(1000), spec(**checklist), **changes)["steps", Level.WARNING]]
    assert any(message.startswith(said) for message in messages)


def test_few_hours_are_counted() -> None:
    (finding,) = about(clips(72))["hours", Level.WARNING]
    assert finding.message.startswith("4.3 minutes in 65 clips to learn from")
    assert ("hours", Level.WARNING) not in about(clips(1100))


def test_segments_longer_than_the_clips() -> None:
    (finding,) = about(clips(1000, 0.5))["segments", Level.WARNING]
    assert finding.message.startswith("1000 of 1000 clips are shorter than a segment (1 s)")
    (finding,) = about(clips(1, 0.5) + clips(1000)[1:])["segments", Level.NOTE]
    assert finding.message.startswith("1 of 1000 clips are shorter")


def test_a_batch_larger_than_the_data() -> None:
    (finding,) = about(clips(10), batch_size=64)["batch", Level.WARNING]
    assert finding.message.startswith("batch_size 64 is more than all 36 training crops")
    assert ("batch", Level.WARNING) not in about(clips(10), batch_size=36)


def test_a_validation_too_small_to_judge() -> None:
    (finding,) = about(clips(10))["validation", Level.WARNING]
    assert finding.message.startswith("validation has only 4 crops from 1 clips")
    assert ("validation", Level.WARNING) not in about(clips(20))
    assert ("validation", Level.ERROR) in about(clips(20, rms=0.001))


def test_a_recording_on_both_sides_of_the_split_is_a_leak() -> None:
    found = clips(20)
    courses = np.random.default_rng(0).normal(size=(20, 64))
    budget = count_steps(LocalData(FOLDER, 16000, tuple(found), ()), CONFIG)
    held_out, learned = budget.held_out[0], budget.learned[0]
    unlike = [with_course(clip, course) for clip, course in zip(found, courses, strict=True)]
    assert ("leak", Level.WARNING) not in about(unlike)
    course = next(np.array(clip.envelope) for clip in unlike if clip.path == held_out.path)
    noisy = course + np.random.default_rng(1).normal(scale=0.05, size=64)
    leaky = [with_course(clip, noisy) if clip.path == learned.path else clip for clip in unlike]
    (finding,) = about(leaky)["leak", Level.WARNING]
    assert f"{held_out.path.name} = {learned.path.name}" in finding.message


def with_course(clip: ClipInfo, course: "np.ndarray[Any, Any]") -> ClipInfo:
    return ClipInfo(**{**vars(clip), "envelope": tuple((course - course.mean()).tolist())})
