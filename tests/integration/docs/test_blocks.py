"""Every command block of README.md and docs/ runs as it stands, or says why it does not."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.server import S3Server

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]*) -->\n)?^```(sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REASONS = {
    "needs a RunPod account",
    "needs the vendor's document",
    "needs an AWS account",
    "needs a Docker engine",
    "needs other people's packages",
    "needs a machine at rest",
    "trains for hours",
    "goes on until interrupted",
    "part of make test",
    "its flags are checked by tests/unit/test_docs.py",
}
S3 = "s3://my-bucket/codecjob?endpoint=https://s3.example.com"


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
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    name = str(page.relative_to(ROOT))
    return [Block(name, text.count("\n", 0, at.start()) + 1, at[1], at[2], at[3]) for at in BLOCK.finditer(text)]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
RUN = [block for block in BLOCKS if block.reason is None]


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.reason], ids=lambda block: block.where)
def test_what_is_not_run_says_a_reason_that_holds(block: Block) -> None:
    assert block.reason is not None
    elsewhere = re.fullmatch(r"(tests/\S+) runs (?:it|the same)", block.reason)
    if elsewhere is None:
        assert block.reason in REASONS
    for path in re.findall(r"\btests/[\w/.]+", block.text + (elsewhere[1] if elsewhere else "")):
        assert (ROOT / path).exists()


@pytest.mark.parametrize("page", sorted({block.page for block in RUN}))
def test_the_commands_of_a_page_run(page: str, reader: Any, request: pytest.FixtureRequest) -> None:
    env: dict[str, str] = {}
    url = ""
    blocks = [block for block in RUN if block.page == page]
    if any(S3 in block.text for block in blocks):
        server: S3Server = request.getfixturevalue("radosgw")
        env, url = server.env(), server.new_url().replace(" ", "%20")
    dataset = next((reader.folder / ".codecjob" / "store" / "datasets").iterdir()).name
    for block in blocks:
        text = block.text.replace("3f2a", dataset[:4]).replace(S3, url)
        if block.kind == "sh":
            must_run(block, reader.types(text, **env))
            continue
        for typed, shown in steps(text):
            done = reader.types(typed, **env)
            must_run(block, done)
            said = {plain(line) for line in (done.stdout + done.stderr).splitlines()}
            for line in shown:
                assert any(plain(line) in one for one in said), f"{block.where}: {typed}: no {line!r} in {said}"


def must_run(block: Block, done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 0, f"{block.where}: exit code {done.returncode}\n{done.stdout}{done.stderr}"


def steps(text: str) -> list[tuple[str, list[str]]]:
    """(command, the lines that are shown under it) of a console block."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip() not in ("", "..."):
            found[-1][1].append(line)
    return found


def plain(line: str) -> str:
    """A line without what differs from run to run: times, names, figures, spaces."""
    line = re.sub(r"\b[0-9a-f]{8,}\b|\d{8}-\d{6}-[0-9a-f]{4}", "#", line)
    return " ".join(re.sub(r"\d+([.:]\d+)*", "#", line).split())


def test_there_is_something_to_run() -> None:
    assert len(RUN) >= 10
    assert {"README.md", "docs/getting-started.md"} <= {block.page for block in BLOCKS}
