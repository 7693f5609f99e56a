"""A new job.yaml: what was asked for, and the other keys as comments, with their default and the model's words."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.pods import kind_of
from job.errors import UsageError
from job.spec.load import check_spec
from job.spec.model import JobSpec
from job.spec.trainer_plan import ask_trainer

# What a provider has no use for is not offered: on the own machine, and for processes of this user.
NOT_AT_HOME = frozenset({"gpu", "max_price_per_hour", "access"})
NOT_FOR_PROCESSES = frozenset({"image", "nodes", "pod"})
SELDOM = frozenset({"watch"})
# The trainer's plan knows no run, whose name is this one's default.
NOT_PLANNED = frozenset({"experiment_name"})
HEAD = """\
# A run of codecjob. A line behind a # shows a default: take the # and the blank behind it away to change it, and those
# of the section above it. `codecjob schema` has every key, docs/reference.md says more.
"""


def render(answers: Mapping[str, Any]) -> str:
    """The text of a spec file with these values, nested as in the file; the rest are comments.

    Raises:
        UsageError: the answers are no spec, or the trainer refuses its part of them.
    """
    spec = check_spec(answers, "init")
    planned = ask_trainer(spec.train.flags()).config
    defaults = spec.model_dump(mode="json")
    defaults["train"] = {key: None if key in NOT_PLANNED else planned.get(key) for key in defaults["train"]}
    left_aside = _left_aside(spec.provider)
    lines = []
    for key, field in JobSpec.model_fields.items():
        if key in left_aside and key not in answers:
            continue
        section = type(getattr(spec, key))
        if issubclass(section, BaseModel):
            lines += ["", *_section(key, field, section, answers.get(key), defaults[key])]
        else:
            lines.append(_line(key, field, answers.get(key), defaults[key]))
    return HEAD + "\n" + "\n".join(lines) + "\n"


def write(path: Path, answers: Mapping[str, Any]) -> None:
    """Writes a spec file where none is yet, with its folder.

    Raises:
        UsageError: as `render`, or there is one already, or it cannot be written; nothing is left then.
    """
    text = render(answers)
    if path.exists():
        raise UsageError(f"{path}: is there already and stays as it is; give another name or folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            try:
                file.write(text)
                file.flush()
            except OSError:
                path.unlink()
                raise
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def seen_from(folder: Path, typed: str) -> str:
    """A path that was typed in the working folder, as a spec in another one has to name it."""
    path = Path(typed)
    if "://" in typed or typed.startswith("~") or path.is_absolute():
        return typed
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _left_aside(provider: str) -> frozenset[str]:
    kind = kind_of(provider)
    at_home, process = NOT_AT_HOME if kind.at_home else (), NOT_FOR_PROCESSES if kind.is_this_user else ()
    return SELDOM.union(at_home, process)


def _section(
    key: str, field: FieldInfo, model: type[BaseModel], answer: Mapping[str, Any] | None, defaults: Mapping[str, Any]
) -> list[str]:
    # Deeper sections, such as the checklist's signs, are for those who have read their page.
    inner = {name: part for name, part in model.model_fields.items() if not isinstance(defaults[name], dict)}
    if answer:
        rows = [f"  {_line(name, part, answer.get(name), defaults[name])}" for name, part in inner.items()]
        return [f"{key}:  # {field.description}", *rows]
    rows = [f"#   {_assignment(name, defaults[name])}{_remark(part)}" for name, part in inner.items()]
    return [f"# {key}:  # {field.description}", *rows]


def _line(key: str, field: FieldInfo, answer: Any, default: Any) -> str:
    given = _assignment(key, default if answer is None else answer) + _remark(field)
    return f"# {given}" if answer is None else given


def _assignment(key: str, value: Any) -> str:
    if value is None:
        return f"{key}:"
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return f"{key}: {text.strip().removesuffix('...').strip()}"  # YAML ends a bare scalar with three dots


def _remark(field: FieldInfo) -> str:
    return f"  # {field.description}" if field.description else ""
