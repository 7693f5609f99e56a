"""YAML as people mean it: the core schema of YAML 1.2, no key twice, and the line that each key stands in.

PyYAML reads YAML 1.1, where `1:30` is the number 90, `010` is 8, `yes` is true and of two equal keys the last wins.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

TAG = "tag:yaml.org,2002:"
MERGE = f"{TAG}merge"
# YAML 1.2.2, 10.3.2: what a plain scalar is. All else is text, a date too.
CORE: dict[str, str] = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}


class NotYamlError(Exception):
    """The text is no YAML, or says something twice; one line without its place."""

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(problem)
        self.line, self.column = line, column


@dataclass(frozen=True)
class Document:
    """A parsed text."""

    value: Any
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Path of keys and positions -> line of the text, from 1."""

    def line_of(self, path: tuple[str, ...]) -> int | None:
        """The line of a path, else of the nearest part of it that the text has."""
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)


def parse(text: str) -> Document:
    """Parse one document. Raises `NotYamlError`."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Document(None)
            lines: dict[tuple[str, ...], int] = {}
            _note_lines(node, (), lines, set())
            return Document(loader.construct_document(node), lines)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise NotYamlError(str(problem), mark and mark.line + 1, mark and mark.column + 1) from error
    except (ValueError, OverflowError) as error:
        raise NotYamlError(str(error)) from error
    except RecursionError:
        raise NotYamlError("its brackets are nested too deeply") from None


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of the core schema."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  # PyYAML's own way to begin without its own

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        _refuse_doubles(node)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found

    def construct_int(self, node: ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        base = {"0o": 8, "0x": 16}.get(text[:2])
        return int(text, 10) if base is None else int(text[2:], base)


for _name, _pattern in CORE.items():
    _Loader.add_implicit_resolver(f"{TAG}{_name}", re.compile(f"^(?:{_pattern})$"), None)
_Loader.add_implicit_resolver(MERGE, re.compile("^<<$"), ["<"])
_Loader.add_constructor(f"{TAG}int", _Loader.construct_int)


def _refuse_doubles(node: MappingNode) -> None:
    seen: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, ScalarNode) or key.tag == MERGE:
            continue
        name, line = (key.tag, key.value), key.start_mark.line + 1
        if name in seen:
            raise NotYamlError(f"{key.value!r} is given twice, also in line {seen[name]}: keep one", line)
        seen[name] = line


def _note_lines(node: Node, path: tuple[str, ...], lines: dict[tuple[str, ...], int], seen: set[int]) -> None:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                inner = (*path, str(key.value))
                lines[inner] = key.start_mark.line + 1
                _note_lines(value, inner, lines, seen)
    elif isinstance(node, SequenceNode):
        for number, item in enumerate(node.value):
            inner = (*path, str(number))
            lines[inner] = item.start_mark.line + 1
            _note_lines(item, inner, lines, seen)
