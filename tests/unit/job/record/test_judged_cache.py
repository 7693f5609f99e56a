"""The memory of what rows have been judged to be."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from helpers import CountingStore
from infra.store import Store
from job.record import judged_cache
from job.record.judged_cache import Memory, judge_rows
from job.record.run import Run
from job.verdict.rows import json_number
from job.verdict.signs import State

ROWS = Path(__file__).parents[3] / "bench" / "verdicts" / "rows"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def judge_by(memory: Memory, run: Run) -> judged_cache.Judged:
    attempts = run.attempts()
    return memory.judged(run, attempts, run.spec())


def plain(told: judged_cache.Judged) -> tuple[Any, ...]:
    """NaN is equal to nothing, its name is."""
    row = told.validation
    values = {name: json_number(value) for name, value in row.values.items()} if row else {}
    return told.verdict.as_dict(), told.pace, values, row and (row.step, row.stages), told.epochs


@pytest.mark.parametrize("name", ["base", "rate_too_high", "nan_output", "gan_that_works"])
def test_a_memory_that_was_saved_says_what_judging_says(run: Run, store: Store, name: str) -> None:
    run.attempt(1).add_segment("metrics", 1, (ROWS / f"{name}.jsonl").read_bytes())
    first = Memory(store)
    told = judge_by(first, run)
    first.save()
    attempts = run.attempts()
    assert plain(told) == plain(judge_rows(run.rows(attempts), attempts, run.spec()))

    counting = CountingStore(store)
    reader = Run(counting, run.run_id)  # type: ignore[arg-type]
    again = Memory(store).judged(reader, reader.attempts(), run.spec())
    assert plain(again) == plain(told)
    assert counting.read == []


def test_rows_that_have_come_and_another_checklist_are_judged_anew(run: Run, store: Store) -> None:
    lines = (ROWS / "base.jsonl").read_bytes().splitlines(keepends=True)
    data = b"".join(lines[:30])
    run.attempt(1).add_segment("metrics", 1, data)
    memory = Memory(store)
    before = judge_by(memory, run)
    run.attempt(1).add_segment("metrics", 1, b"".join(lines), known=len(data))
    after = judge_by(memory, run)
    assert before.pace.step is not None
    assert after.pace.step is not None
    assert before.pace.step < after.pace.step
    spec = run.spec()
    strict = spec.model_copy(update={"checklist": spec.checklist.model_copy(update={"min_steps": 1})})
    assert after.verdict.verdict is State.UNDECIDED
    assert memory.judged(run, run.attempts(), strict).verdict != after.verdict


@pytest.mark.parametrize("left", [b"", b"[]", b'{"speech-20250102-030405-00ff": {"mark": "x"}}'])
def test_a_memory_that_cannot_be_read_is_none(run: Run, store: Store, tmp_path: Path, left: bytes) -> None:
    run.attempt(1).add_segment("metrics", 1, (ROWS / "base.jsonl").read_bytes())
    memory = Memory(store)
    told = judge_by(memory, run)
    memory.save()
    (file,) = (tmp_path / "cache").rglob("*.json")
    assert list(json.loads(file.read_bytes())) == [run.run_id]
    file.write_bytes(left)
    assert judge_by(Memory(store), run) == told


def test_a_changed_rule_forgets(run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = [tmp_path / "job" / room.name for room in judged_cache.JUDGING]
    for room, copy in zip(judged_cache.JUDGING, rooms, strict=True):
        shutil.copytree(room, copy)
    monkeypatch.setattr(judged_cache, "JUDGING", rooms)
    run.attempt(1).add_segment("metrics", 1, (ROWS / "base.jsonl").read_bytes())
    memory = Memory(store)
    judge_by(memory, run)
    memory.save()

    def read_again() -> int:
        counting = CountingStore(store)
        reader = Run(counting, run.run_id)  # type: ignore[arg-type]
        Memory(store).judged(reader, reader.attempts(), run.spec())
        return len(counting.read)

    assert read_again() == 0
    with (tmp_path / "job" / "verdict" / "rules" / "validation.py").open("a") as rule:
        rule.write("# changed\n")
    assert read_again() == 1
