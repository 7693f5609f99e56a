"""A new spec file says what was asked, and offers the rest as comments that hold when they are taken up."""

import re
from pathlib import Path
from typing import Any

import pytest

from infra.pods import PROVIDERS
from job.errors import UsageError
from job.spec.load import check_spec, load_spec
from job.spec.model import JobSpec
from job.spec.template import render, seen_from, write

ANSWERS: dict[str, Any] = {"name": "speech", "data": "clips"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_is_the_spec_that_was_asked_for(provider: str, tmp_path: Path) -> None:
    answers = ANSWERS | {"provider": provider, "max_cost": 12.5, "gpu": ["RTX 4090", "L40S"]}
    answers["train"] = {"preset": "16khz-6kbps"}
    write(tmp_path / "lab" / "job.yaml", answers)
    spec = load_spec(tmp_path / "lab" / "job.yaml")
    asked = check_spec(answers, "here")
    assert spec == asked.model_copy(update={"data": tmp_path / "lab" / "clips"})


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("train", [{}, {"recipe": "perceptual", "preset": "24khz-6kbps"}])
def test_every_comment_may_be_taken_up(provider: str, train: dict[str, str], tmp_path: Path) -> None:
    answers = ANSWERS | {"provider": provider} | ({"train": train} if train else {})
    text = render(answers)
    body = text.partition("\n\n")[2]
    path = tmp_path / "job.yaml"
    path.write_text(re.sub(r"^( *)# ", r"\1", body, flags=re.MULTILINE))
    plain, full = check_spec(answers, "here"), load_spec(path)
    leave = {"train", "data"}
    assert full.model_dump(exclude=leave) == plain.model_dump(exclude=leave)  # they are the defaults
    assert full.train.num_epochs == 100  # the trainer's own, which the spec leaves open
    assert full.train.preset == train.get("preset", "none")


def test_what_a_key_means_is_what_the_model_says() -> None:
    text = render(ANSWERS | {"provider": "runpod"})
    for key, field in JobSpec.model_fields.items():
        assert key == "watch" or f"{key}:" in text
        assert key == "watch" or str(field.description) in text


def test_a_provider_is_not_offered_what_it_leaves_aside() -> None:
    local, rented = (render(ANSWERS | {"provider": name}) for name in ("local", "runpod"))
    assert "network_volume" not in local
    assert "network_volume" in rented


@pytest.mark.parametrize(
    ("change", "said"),
    [({"name": "Not Good"}, "lower-case"), ({"train": {"preset": "1kbps"}}, "the trainer refuses .*1kbps")],
)
def test_nothing_is_written_of_what_is_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        write(tmp_path / "lab" / "job.yaml", ANSWERS | change)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write(path, ANSWERS)
    assert path.read_text() == "mine"


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write(tmp_path / "file" / "job.yaml", ANSWERS)


def test_a_path_is_named_as_the_spec_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert seen_from(Path("lab"), "clips") == "../clips"
    assert seen_from(Path("lab"), "lab/clips") == "clips"
    for typed in ("~/speech", "/data/speech", "s3://bucket/lab"):
        assert seen_from(Path("lab"), typed) == typed
