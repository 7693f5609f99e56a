"""codecjob data, by the real command."""

import json
import shutil
from pathlib import Path
from typing import Any


def data(desk: Any, *words: str | Path, expect: int = 0) -> Any:
    done = desk.command("data", *words, "--json")
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout)


def refused(desk: Any, *words: str | Path) -> str:
    done = desk.command("data", *words)
    assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    return str(line)


def test_from_push_to_rm(desk: Any) -> None:
    clips = desk.folder / "clips"
    pushed = data(desk, "push", clips)
    assert (pushed["clips"], pushed["sample_rate"], pushed["shards"], pushed["uploaded_shards"]) == (6, 16000, 1, 1)
    again = desk.command("data", "push", clips)
    assert "nothing to upload: the store has it" in again.stdout
    (row,) = data(desk, "ls")
    assert (row["dataset"], row["clips"], row["bytes"], row["runs"]) == (pushed["dataset"], 6, pushed["bytes"], [])
    assert pushed["dataset"] in desk.command("data", "ls").stdout
    assert data(desk, "verify", pushed["dataset"][:4])["ok"] is True

    (key,) = [info.key for info in desk.store.list("objects/")]
    desk.store.put(key, desk.store.get(key)[:-1] + b"x")
    assert data(desk, "verify", pushed["dataset"], expect=2)["ok"] is False
    assert f"{key} in {desk.store.url} is damaged" in refused(desk, "verify", pushed["dataset"])
    assert data(desk, "rm", pushed["dataset"])["removed_objects"] == 1
    assert list(desk.store.list("")) == []
    assert "no datasets in" in desk.command("data", "ls").stdout


def test_a_submit_uses_what_was_pushed_and_keeps_it_from_being_removed(desk: Any) -> None:
    pushed = data(desk, "push", desk.folder / "clips")
    objects = list(desk.store.list("objects/"))
    run = desk.submit(desk.spec())
    assert run.submission().dataset == pushed["dataset"]
    assert list(desk.store.list("objects/")) == objects
    said = refused(desk, "rm", pushed["dataset"])
    assert run.run_id in said
    assert desk.wait_for_end(run.attempt(1)) == "succeeded"
    assert data(desk, "ls")[0]["runs"] == [run.run_id]
    assert data(desk, "rm", pushed["dataset"])["removed_objects"] == 1


def test_bad_input_is_one_line_and_leaves_nothing(desk: Any) -> None:
    assert "nowhere: no such folder" in refused(desk, "push", desk.folder / "nowhere")
    broken = desk.folder / "broken"
    shutil.copytree(desk.folder / "clips", broken)
    first = sorted(broken.iterdir())[0]
    first.write_bytes(first.read_bytes()[:1000])
    (broken / "text.wav").write_text("no sound")
    said = refused(desk, "push", broken)
    assert "2 of 7 clips cannot be used" in said
    assert first.name in said
    assert "text.wav" in said
    assert "no dataset 'abc'" in refused(desk, "rm", "abc")
    assert "no dataset 'abc'" in refused(desk, "verify", "abc")
    assert not (desk.folder / "home").exists()
