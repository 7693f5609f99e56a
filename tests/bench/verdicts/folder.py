"""Judges a folder of histories with a manifest: python -m tests.bench.verdicts.folder FOLDER.

`manifest.json` is a list of objects: `name`, `file` (a metrics file beside it), `recipe`, `min_steps`, `expected`
("bad" or "not bad"), and whatever else a person wants to know. A history is judged at each of its prefixes, as rows
arrive: one that is not bad may be BAD at none of them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from job.verdict.checklist_spec import Checklist
from job.verdict.incremental import LiveJudge
from job.verdict.rows import Row, parse
from job.verdict.signs import State, Verdict


@dataclass(frozen=True)
class Judged:
    """One history: what was expected, what came, and at which row it was BAD."""

    case: dict[str, Any]
    bad_at: Row | None
    verdict: Verdict

    @property
    def got(self) -> str:
        """In the words of the manifest."""
        return "bad" if self.bad_at else "not bad"

    @property
    def right(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.got == self.case["expected"]

    def line(self) -> str:
        """For people."""
        at = f" at epoch {self.bad_at.epoch}, step {self.bad_at.step}" if self.bad_at else ""
        wanted = f", wanted {self.case['expected']}" if not self.right else ""
        return (
            f"{'ok   ' if self.right else 'WRONG'} {self.case['name']}: {self.got}{at}{wanted}; {self.verdict.summary}"
        )


def judge_folder(folder: Path) -> Iterator[Judged]:
    """Every history of a manifest, in its order."""
    for case in json.loads((folder / "manifest.json").read_text()):
        checklist = Checklist.model_validate({"recipe": case["recipe"], "min_steps": case["min_steps"]})
        yield judge(case, parse((folder / case["file"]).read_bytes()).rows, checklist)


def judge(case: dict[str, Any], rows: tuple[Row, ...], checklist: Checklist) -> Judged:
    """One history, row by row."""
    live = LiveJudge(checklist)
    for row in rows:
        live.see([row])
        if (verdict := live.verdict()).verdict is State.BAD:
            return Judged(case, row, verdict)
    return Judged(case, None, live.verdict())


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Print expected and got for each history. Exit code: 0 when all are as expected, else 1."""
    found = list(judge_folder(folder))
    for judged in found:
        click.echo(judged.line())
    wrong = sum(not judged.right for judged in found)
    click.echo(f"{len(found) - wrong} of {len(found)} as expected")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
