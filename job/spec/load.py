"""Reading of job.yaml: a file, or a mapping, becomes a checked JobSpec or one line for each problem."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from job.errors import UsageError, did_you_mean
from job.spec.model import JobSpec


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
    document = _parse_yaml(text, str(path))
    if not isinstance(document, dict):
        raise UsageError(f"{path}: a spec is a mapping such as 'name: my-run'; see `codecjob schema`")
    for override in overrides:
        _lay_over(document, override)
    spec = check_spec(document, str(path))
    folder = path.resolve().parent
    changes: dict[str, Any] = {"data": (folder / spec.data.expanduser()).resolve()}
    if spec.store is not None and "://" not in spec.store:
        changes["store"] = str((folder / Path(spec.store).expanduser()).resolve())
    return spec.model_copy(update=changes)


def check_spec(document: Mapping[str, Any], where: str) -> JobSpec:
    """Validates a spec that is already a mapping.

    Raises:
        UsageError: one line for each problem, each naming ``where`` and the key.
    """
    try:
        return JobSpec.model_validate(document)
    except ValidationError as error:
        raise UsageError("\n".join(f"{where}: {_in_words(problem)}" for problem in error.errors())) from None


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise UsageError(f"{where}{place}: not valid YAML: {problem}") from error
    except ValueError as error:  # such as a date in month 13
        raise UsageError(f"{where}: not valid YAML: {error}") from error


def _lay_over(document: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not re.fullmatch(r"\w+(\.\w+)*", key):
        raise UsageError(f"--set {override}: write it as key=value, such as --set train.num_epochs=3")
    *parents, last = key.split(".")
    place = document
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {override}: {parent} is not a mapping")
        place = inner
    place[last] = _parse_yaml(value, f"--set {override}")


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
