"""No test waits without end: one that hung has held up all others for an hour."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS = ("run", "call", "check_call", "check_output")
WAITS = ("wait", "join", "communicate", "result")
# Benches are not among the tests, and a server that is started by hand ends by hand.
APART = ("bench", "__main__.py")


def endless(tree: ast.AST) -> Iterator[str]:
    """The calls that return only when something else has happened."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, of = node.func.attr, ast.unparse(node.func.value)
        limited = any(keyword.arg in ("timeout", None) for keyword in node.keywords)
        runs = of == "subprocess" and name in RUNS
        if not limited and (runs or (name in WAITS and not node.args)):
            yield f"{node.lineno}: {of}.{name}"


def test_every_wait_of_a_test_has_an_end() -> None:
    found = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if not set(APART) & set(path.relative_to(ROOT / "tests").parts[:1] + path.parts[-1:]):
            found[str(path.relative_to(ROOT))] = list(endless(ast.parse(path.read_text(encoding="utf-8"))))
    assert {path: calls for path, calls in found.items() if calls} == {}, "give it a timeout"


@pytest.mark.slow
def test_the_look_finds_what_has_none() -> None:
    source = "subprocess.run(['x'])\nprocess.wait()\nthread.join()\n', '.join(words)\nprocess.wait(5)\nf(timeout=1)"
    assert list(endless(ast.parse(source))) == ["1: subprocess.run", "2: process.wait", "3: thread.join"]
