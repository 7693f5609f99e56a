"""Every command block of README.md and docs/ that does not say why not runs as it stands."""

import re
import subprocess
from typing import Any

import pytest

from docs_blocks import BLOCKS, Block
from servers.server import S3Server

S3 = "s3://my-bucket/codecjob?endpoint=https://s3.example.com"
RUN = [block for block in BLOCKS if block.reason is None]


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
