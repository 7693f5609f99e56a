"""Reading of job.yaml: a file, or a mapping, becomes a checked JobSpec or one line for each problem."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from infra.store import StoreError, store_name
from job.errors import UsageError, did_you_mean
from job.spec.model import JobSpec
from job.spec.yaml_core import Document, NotYamlError, parse


def load_spec(path: Path, overrides: Iterable[str] = ()) -> JobSpec:
    """Reads and checks a spec file, with ``key.sub=value`` laid over it.

    Raises:
        UsageError: the file is missing, is not YAML, or does not fit the model; one line for each problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        missing = "; `codecjob init` writes one" if isinstance(error, FileNotFoundError) else ""
        raise UsageError(f"{path}: cannot read the spec: {reason}{missing}") from error
    parsed = _parse(text, str(path))
    document = parsed.value
    if not isinstance(document, dict):
        raise UsageError(f"{path}: a spec is a mapping such as 'name: my-run'; see `codecjob schema`")
    source = _Source(str(path), parsed)
    for override in overrides:
        _lay_over(document, override, source)
    spec = _checked(document, source)
    folder = path.resolve().parent
    changes: dict[str, Any] = {"data": _in_folder(folder, str(spec.data), "data", source)}
    if spec.store is not None:
        changes["store"] = _store(spec.store, folder, source)
    return spec.model_copy(update=changes)


def check_spec(document: Mapping[str, Any], where: str) -> JobSpec:
    """Validates a spec that is already a mapping.

    Raises:
        UsageError: one line for each problem, each naming ``where`` and the key.
    """
    return _checked(document, _Source(where))


@dataclass
class _Source:
    """Where the values of a spec come from."""

    name: str
    parsed: Document = field(default_factory=lambda: Document(None))
    overrides: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Path -> the `--set` that has given it."""

    def place(self, path: tuple[str, ...]) -> str:
        """File and line of a path, or its `--set`."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.overrides:
                return f"{self.name}: --set {self.overrides[path[:end]]}"
            if path[:end] in self.parsed.lines:
                break
        line = self.parsed.line_of(path)
        return self.name if line is None else f"{self.name}, line {line}"


def _checked(document: Mapping[str, Any], source: _Source) -> JobSpec:
    booleans = dict(_booleans(document, JobSpec))
    problems = [f"{source.place(path)}: {said}" for path, said in booleans.items()]
    spec = None
    try:
        spec = JobSpec.model_validate(document)
    except ValidationError as error:
        for problem in error.errors():
            path = tuple(str(part) for part in problem["loc"] if part != "[key]")
            if path not in booleans:
                problems.append(f"{source.place(path)}: {_in_words(problem)}")
    if problems or spec is None:
        raise UsageError("\n".join(problems)) from None
    return spec


def _booleans(value: Any, kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where true or false stands for a number: Python, and so pydantic, takes them for 1 and 0."""
    if isinstance(value, bool) and _wants_number(kind):
        yield path, f"{'.'.join(path)}: needs a number, not {str(value).lower()}"
    if isinstance(value, dict):
        model = _model_in(kind)
        for key, inner in value.items():
            known = model.model_fields.get(key) if model else None  # what is no field is a key of a mapping
            yield from _booleans(inner, known.annotation if known else kind, (*path, str(key)))


def _wants_number(kind: Any) -> bool:
    kinds = set(_flat(kind))
    return bool(kinds & {int, float}) and bool not in kinds


def _flat(kind: Any) -> Iterator[Any]:
    yield kind
    for part in get_args(kind):
        yield from _flat(part)


def _in_folder(folder: Path, text: str, key: str, source: _Source) -> Path:
    try:
        return (folder / Path(text).expanduser()).resolve()
    except RuntimeError:
        raise UsageError(f"{source.place((key,))}: {key}: there is no such user's home; write the path out") from None
    except ValueError:
        raise UsageError(f"{source.place((key,))}: {key}: no folder's name holds a NUL; write another") from None


def _store(text: str, folder: Path, source: _Source) -> str:
    """The store's URL, or its folder seen from that of the spec."""
    try:
        name = store_name(text)
    except StoreError as error:
        raise UsageError(f"{source.place(('store',))}: store: {error}") from None
    return name if "://" in name else str(_in_folder(folder, name, "store", source))


def _parse(text: str, where: str) -> Document:
    try:
        return parse(text)
    except NotYamlError as error:
        place = f", line {error.line}" if error.line else ""
        place += f", column {error.column}" if error.column else ""
        raise UsageError(f"{where}{place}: not valid YAML: {error}") from error


def _lay_over(document: dict[str, Any], override: str, source: _Source) -> None:
    key, equals, value = override.partition("=")
    if not equals or not re.fullmatch(r"\w+(\.\w+)*", key):
        raise UsageError(f"--set {override}: write it as key=value, such as --set train.num_epochs=3")
    path = tuple(key.split("."))
    if path in source.overrides:
        raise UsageError(f"--set {override}: {key} is set twice, also by --set {source.overrides[path]}: keep one")
    *parents, last = path
    place = document
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {override}: {parent} is not a mapping")
        place = inner
    place[last] = _parse(value, f"--set {override}").value
    source.overrides[path] = override


def _in_words(problem: ErrorDetails) -> str:
    path = [str(part) for part in problem["loc"] if part != "[key]"]
    key = ".".join(path)
    if problem["type"] == "extra_forbidden":
        return f"unknown key{did_you_mean(path[-1], _known_keys(path[:-1]))}" + (f" (in {key})" if path[:-1] else "")
    if problem["type"] == "missing":
        return f"{key} is missing"
    said = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{key}: {said}" if key else said
    if problem["type"] == "string_pattern_mismatch" and key == "name":
        said = "should be 1 to 40 lower-case letters, digits and dashes"
    return f"{key}: {said}, not {problem['input']!r}"


def _known_keys(path: list[str]) -> list[str]:
    model: type[BaseModel] = JobSpec
    for part in path:  # what is no field is a key of a mapping, such as a sign's name
        field = model.model_fields.get(part)
        model = (field and _model_in(field.annotation)) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
