"""The command blocks of README.md, CONTRIBUTING.md and docs/, and why some of them are not run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]*) -->\n)?^```(sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PART_OF_TEST = "part of make test"
REASONS = {
    PART_OF_TEST,
    "goes on until interrupted",
    "its flags are checked by tests/unit/test_docs.py",
    "needs a Docker engine",
    "needs a GPU",
    "needs a RunPod account",
    "needs a W&B account",
    "needs a machine at rest",
    "needs an AWS account",
    "needs other people's packages",
    "needs the vendor's document",
    "trains for hours",
}
ELSEWHERE = re.compile(r"(tests/\S+) runs (?:it|the same)")


@dataclass(frozen=True)
class Block:
    """A fenced block of commands, and why it is not run, if it is not."""

    page: str
    line: int
    reason: str | None
    kind: str
    text: str

    @property
    def where(self) -> str:
        """Such as docs/costs.md:22."""
        return f"{self.page}:{self.line}"


def _blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for at in BLOCK.finditer(text):
            tests = all(line.startswith((".venv/bin/pytest ", "make test")) for line in at[3].splitlines())
            reason = at[1] or (PART_OF_TEST if tests else None)
            yield Block(str(page.relative_to(ROOT)), text.count("\n", 0, at.start()) + 1, reason, at[2], at[3])


BLOCKS = list(_blocks())
