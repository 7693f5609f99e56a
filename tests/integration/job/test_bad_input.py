"""Bad input gets one clear line that names the place and the mend, exit code 2, and leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile


def refused(desk: Any, *words: str | Path) -> str:
    """Runs a command that must be refused, and returns its one line."""
    done = desk.command(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert done.stdout == ""
    assert not (desk.folder / "home").exists(), "nothing was written"
    return str(lines[0])


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def test_no_data_folder(desk: Any) -> None:
    assert "nowhere" in refused(desk, "submit", desk.spec(data="nowhere"))


def test_an_empty_data_folder(desk: Any) -> None:
    (desk.folder / "empty").mkdir()
    assert "empty" in refused(desk, "submit", desk.spec(data="empty"))


def test_a_folder_without_audio(desk: Any) -> None:
    (desk.folder / "texts").mkdir()
    (desk.folder / "texts" / "a.txt").write_text("no sound")
    assert "no audio" in refused(desk, "submit", desk.spec(data="texts"))


def test_a_truncated_file(desk: Any) -> None:
    victim = sorted((desk.folder / "clips").iterdir())[2]
    rewrite(victim, lambda data: data[: len(data) // 2])
    assert victim.name in refused(desk, "submit", desk.spec())


def test_a_text_file_named_wav(desk: Any) -> None:
    (desk.folder / "clips" / "notes.wav").write_text("buy milk\n" * 100)
    assert "notes.wav" in refused(desk, "submit", desk.spec())


def test_only_silence(desk: Any) -> None:
    (desk.folder / "quiet").mkdir()
    for number in range(3):
        soundfile.write(desk.folder / "quiet" / f"{number}.wav", np.full(16000, number * 1e-5), 16000)
    assert "silent" in refused(desk, "submit", desk.spec(data="quiet"))


def test_a_single_clip(desk: Any) -> None:
    for path in sorted((desk.folder / "clips").iterdir())[1:]:
        path.unlink()
    assert "second" in refused(desk, "submit", desk.spec())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [a", "not valid YAML"),
        ("- a\n- b", "mapping"),
        ("", "mapping"),
        ("name: tiny\ndata: clips\ntrian: {}", "did you mean 'train'?"),
        ("name: tiny\ndata: clips\ntrain: {batch_sise: 4}", "did you mean 'batch_size'?"),
        ("name: tiny\ndata: clips\ntrain: {batch_size: many}", "train.batch_size"),
        ("name: tiny\ndata: clips\ntrain: {learning_rate: -1}", "train.learning_rate"),
        (
            "name: tiny\ndata: clips\ntrain: {sample_rate: 16}",
            "train.sample_rate: Input should be greater than or equal to 8000",
        ),
        ("name: tiny\ndata: clips\nchecklist: {signs: {snr: {bad_below: 0}}}", "did you mean 'snr_db'?"),
        ("name: Tiny Run\ndata: clips", "name: should be"),
        ("data: clips", "name is missing"),
        ("name: tiny\ndata: clips\nprovider: lokal", "did you mean 'local'?"),
        ("name: tiny\ndata: clips\nstore: s4://bucket", "unknown store s4"),
    ],
)
def test_a_bad_spec(desk: Any, text: str, said: str) -> None:
    path = desk.folder / "job.yaml"
    path.write_text(text)
    assert said in refused(desk, "submit", path)


def test_a_spec_that_is_not_there(desk: Any) -> None:
    assert "none.yaml" in refused(desk, "submit", desk.folder / "none.yaml")


def test_a_bad_override(desk: Any) -> None:
    assert "key=value" in refused(desk, "submit", desk.spec(), "--set", "train.num_epochs")


def test_a_store_that_cannot_be_written(desk: Any) -> None:
    (desk.folder / "taken").write_text("a file")
    said = refused(desk, "submit", desk.spec(store=str(desk.folder / "taken")))
    assert "cannot write to store" in said


@pytest.mark.parametrize("words", [["status"], ["logs"], ["stop"], ["resume"], ["abort-on-bad-signs"]])
def test_a_run_that_does_not_exist(desk: Any, words: list[str]) -> None:
    assert "no runs" in refused(desk, *words, "@last")


def test_a_name_that_several_runs_share(desk: Any) -> None:
    for _ in range(2):
        run = desk.submit(desk.spec())
        assert desk.command("stop", run.run_id).returncode == 0
    done = desk.command("status", "tiny")
    assert done.returncode == 2
    assert done.stderr.startswith("error: 'tiny' means 2 runs")
    missing = desk.command("status", "nobody")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)


def test_a_dry_run_writes_nothing(desk: Any) -> None:
    done = desk.command("submit", desk.spec(), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would start codecjob-tiny-" in done.stdout
    assert not (desk.folder / "home").exists()


def test_check_of_what_is_no_metrics_file(desk: Any) -> None:
    (desk.folder / "notes.txt").write_text("hello\nworld\n")
    assert "not a metrics file" in refused(desk, "check", desk.folder / "notes.txt")
    assert "none.jsonl" in refused(desk, "check", desk.folder / "none.jsonl")
