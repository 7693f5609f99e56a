"""The documents say what the code does: links, commands, flags and specs in them are checked, none is run."""

import ast
import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from codec.cli import cli as codec
from docs_blocks import BLOCKS, ELSEWHERE, REASONS, Block
from job.cli import cli as codecjob
from job.spec.load import check_spec
from job.spec.model import JobSpec

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    page for page in ROOT.rglob("*.md") if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fenced(language: str | None = None) -> list[tuple[str, str]]:
    """(page, text) of every fenced block."""
    blocks = [(page, match) for page in PAGES for match in FENCED.finditer(page.read_text(encoding="utf-8"))]
    return [(page.name, match[2]) for page, match in blocks if language in (None, match[1])]


def commands() -> list[tuple[str, str]]:
    """(page, line) of every call of codec or codecjob in a fenced block."""
    lines = [(page, line) for page, text in fenced() for line in text.replace("\\\n", " ").splitlines()]
    call = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?(?:python3? -m )?(codec(?:job)? .*)$")
    return [(page, match[1]) for page, line in lines if (match := call.match(line))]


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page get on a Git host."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        text = FENCED.sub("", page.read_text(encoding="utf-8"))
        yield from ((page, link) for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link)


@pytest.mark.parametrize(
    ("page", "link"), [pytest.param(page, link, id=f"{page.name}-{link}") for page, link in links()]
)
def test_relative_links_lead_somewhere(page: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_and_their_flags_exist(page: str, line: str) -> None:
    words = shlex.split(re.split(r"\s(?:[|>&;]|2>)", line)[0], comments=True)
    parse(codec if words[0] == "codec" else codecjob, words[0], words[1:])


def parse(command: click.Command, name: str, words: list[str]) -> None:
    """Raises click.UsageError for what the command would refuse; calls nothing."""
    if isinstance(command, click.Group):
        with command.make_context(name, list(words)) as context:
            _, inner, rest = command.resolve_command(context, words)
        assert inner is not None
        parse(inner, inner.name or "", rest)
    elif "--help" not in words:
        command.make_context(name, list(words))


def test_the_parser_refuses_what_does_not_exist() -> None:
    for words in (["sumbit", "a.yaml"], ["submit", "--detached", "a.yaml"], ["pull", "@last"]):
        with pytest.raises(click.UsageError):
            parse(codecjob, "codecjob", words)
    with pytest.raises(click.UsageError):
        parse(codec, "codec", ["train", "--data_dir", "x", "--epochs", "3"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_generated_is_what_the_code_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    filled = runpy.run_path(str(DOCS / "generate.py"))["filled"]
    assert filled(text) == text, "run `make reference` and commit what it changes"


def test_every_page_has_its_place_in_the_site() -> None:
    named = re.findall(r"^ +- .*: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in DOCS.glob("*.md")), "name it in the nav of mkdocs.yml"


def test_every_command_flag_and_key_is_in_a_generated_page() -> None:
    commands, keys = ((DOCS / name).read_text(encoding="utf-8") for name in ("commands.md", "job-yaml.md"))
    for option in (option for command in (codec, codecjob) for option in options(command)):
        assert f"`{option}`" in commands
    assert all(
        f"`{key}`" in keys for key in ("max_cost", "pod.disk_gb", "train.preset", "checklist.faults.saturated_l1")
    )
    assert {"summary", "flags", "presets"} <= {
        name for page in PAGES for name in re.findall(r"<!-- generated: (.*) -->", page.read_text(encoding="utf-8"))
    }


def options(command: click.Command) -> set[str]:
    """The long names of every flag of a command and of those below it."""
    if not isinstance(command, click.Group):
        return {name for param in command.params for name in param.opts if name.startswith("--")}
    context = click.Context(command)
    found = [command.get_command(context, name) for name in command.list_commands(context)]
    return set().union(*(options(inner) for inner in found if inner is not None))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.reason], ids=lambda block: block.where)
def test_a_block_that_is_not_run_has_a_reason_that_holds(block: Block) -> None:
    assert block.reason is not None
    elsewhere = ELSEWHERE.fullmatch(block.reason)
    assert elsewhere or block.reason in REASONS, "tests/docs_blocks.py has the reasons that count"
    for path in re.findall(r"\btests/[\w/.]+", block.text + (elsewhere[1] if elsewhere else "")):
        assert (ROOT / path).exists()


@pytest.mark.parametrize(("page", "text"), fenced("yaml"))
def test_specs_are_valid(page: str, text: str) -> None:
    check_spec(yaml.safe_load(text), page)


def messages() -> list[str]:
    """The messages that troubleshooting.md explains: what is code in bold, and in the first column of a table."""
    text = FENCED.sub("", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"))
    shown = re.findall(r"^\*\*.*\*\*", text, re.MULTILINE) + re.findall(r"^\|(.*?)\|", text, re.MULTILINE)
    return [message for part in shown for message in re.findall(r"`([^`]+)`", part)]


@pytest.fixture(scope="session")
def said_by_the_code() -> str:
    """Every text in the source, one a line; what is filled in when it is said is an ellipsis."""
    texts = []
    for path in (path for room in ("codec", "infra", "job") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


@pytest.mark.parametrize("message", messages())
def test_a_message_that_is_explained_is_one_that_is_said(message: str, said_by_the_code: str) -> None:
    # Names in capitals, figures and ellipses stand for what differs.
    parts = [part.strip(" .,:;'\"()%") for part in re.split(r"…|\b[A-Z][A-Z_]+\b|\b[A-Z]\b|\d+", message)]
    parts = [part for part in parts if len(part) > 4]
    assert parts
    assert [part for part in parts if part not in said_by_the_code and part != "Input should be"] == []  # pydantic's


def test_the_reference_names_every_key_of_a_spec() -> None:
    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    schema = JobSpec.model_json_schema()
    parts = [
        schema,
        *(schema["$defs"][name] for name in ("TrainSpec", "PodSpec", "Checklist", "FaultLimits", "Improvement")),
    ]
    keys = {key for part in parts for key in part["properties"]}
    assert [key for key in sorted(keys) if not re.search(rf"`([\w]+\.)?{key}(\.[^`]*)?`", text)] == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[<>=~!\[]", line)[0] for group in groups for line in group}
    text = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    rows = {name for row in re.findall(r"^\| ([\w, -]+) \|", text, re.MULTILINE) for name in row.split(", ")}
    assert names - rows == set()


def test_there_is_something_to_check() -> None:
    assert len(commands()) >= 10
    assert len(fenced("yaml")) >= 2
    assert len(messages()) >= 50
