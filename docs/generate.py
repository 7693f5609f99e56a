"""Fills what the documents take from the code: python docs/generate.py, or `make reference`.

A generated part stands between two comments, `<!-- generated: NAME -->` and `<!-- end of NAME -->`. A test compares.
"""

import inspect
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from codec.cli import cli as codec
from codec.config import spell
from codec.plan import about_presets
from job.cli import COMMANDS
from job.cli import cli as codecjob
from job.spec.model import JobSpec

DOCS = Path(__file__).parent
PARTS = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)

KINDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "array": "text or list",
    "boolean": "true or false",
    "object": "by name",
}


def filled(text: str) -> str:
    """A page with each of its generated parts made anew."""
    return PARTS.sub(lambda part: f"{part[1]}\n{MAKERS[part[2]]().strip()}\n\n{part[3]}", text)


def summary() -> str:
    """The commands of codecjob, a line each."""
    lines = [f"| `codecjob {name}` | {text} |" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["| command | what it does |", "| --- | --- |", *lines])


def codecjob_commands() -> str:
    """Every command of codecjob as its help describes it."""
    return "\n".join(_sections(codecjob, "codecjob"))


def codec_commands() -> str:
    """Every command of codec as its help describes it."""
    return "\n".join(_sections(codec, "codec"))


def flags() -> str:
    """The flags of `codec train`, in the order of its help."""
    return _options(codec.commands["train"])


def rooms() -> str:
    """The imports between the rooms of the source."""
    return str(runpy.run_path(str(DOCS.parent / "tests" / "rooms.py"))["table"]())


def presets() -> str:
    """The named settings of the trainer."""
    lines = [
        "| preset | kbit/s | frames/s | codes a frame | parameters | SNR to hope for | for |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for fact in about_presets():
        mean, most = fact["mean_quantizers"], fact["num_quantizers"]
        codes = f"{mean}" if mean == most else f"{mean}, 0 to {most}"
        rate = f"{fact['bitrate_kbps']:g} | {fact['frames_per_second']:g} | {codes}"
        size = f"{fact['parameters'] / 1e6:.1f} M"
        lines.append(f"| `{fact['preset']}` | {rate} | {size} | {fact['snr_hope_db']} dB | {fact['purpose']} |")
    return "\n".join(lines)


def spec_keys() -> str:
    """Every key of job.yaml, from the model that checks it."""
    schema = JobSpec.model_json_schema()
    return "\n".join(_keys(schema, schema["$defs"], "", "job.yaml"))


MAKERS: Mapping[str, Callable[[], str]] = {
    "summary": summary,
    "codecjob-commands": codecjob_commands,
    "codec-commands": codec_commands,
    "flags": flags,
    "presets": presets,
    "rooms": rooms,
    "spec-keys": spec_keys,
}


def _sections(command: click.Command, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _sections(found, f"{name} {inner}")
        return
    yield f"### `{name}`\n"
    yield f"`{name} {' '.join(command.collect_usage_pieces(context))}`\n"
    text, _, examples = inspect.cleandoc(command.help or "").replace("\b\n", "").partition("Examples:\n")
    yield f"{_escaped(text.strip())}\n"
    if examples:
        lines = inspect.cleandoc(examples).strip()
        yield f"<!-- not run: its flags are checked by tests/unit/test_docs.py -->\n```sh\n{lines}\n```\n"
    yield f"{_options(command)}\n"


def _options(command: click.Command) -> str:
    lines = ["| flag | default | meaning |", "| --- | --- | --- |"]
    lines += [_option(param) for param in command.params if isinstance(param, click.Option)]
    return "\n".join(lines) if len(lines) > 2 else ""


def _option(option: click.Option) -> str:
    value = option.to_info_dict()["default"]
    default = "" if value is None or option.multiple else f"`{spell(value)}`"
    default = "required" if option.required else "off" if option.is_flag else default
    names = ", ".join(f"`{name}`" for name in option.opts + option.secondary_opts)
    return f"| {names} | {default} | {_escaped((option.help or '').partition(' [default:')[0])} |"


def _keys(schema: dict[str, Any], parts: dict[str, Any], prefix: str, title: str) -> Iterator[str]:
    yield f"### {title}\n"
    yield "| key | what | default | meaning |\n| --- | --- | --- | --- |"
    inner = []
    for key, field in schema["properties"].items():
        found = _without_null(field)
        if "$ref" in found:
            inner.append((key, parts[found["$ref"].removeprefix("#/$defs/")]))
        meaning = _escaped(field.get("description", ""))
        default = "required" if key in schema.get("required", ()) else _default(prefix + key, field)
        default = "" if "default:" in meaning else default
        yield f"| `{prefix}{key}` | {_escaped(_what(found) + _or_else(field))} | {default} | {meaning} |"
    yield ""
    for key, part in inner:
        yield from _keys(part, parts, f"{prefix}{key}.", f"`{prefix}{key}`")


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    options = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    return dict(options[0])


def _default(key: str, field: dict[str, Any]) -> str:
    if key.startswith("train."):  # the spec leaves it to the trainer
        flags = {f"train.{flag.name}": flag.to_info_dict()["default"] for flag in codec.commands["train"].params}
        value = flags[key]
    elif "default" not in field:
        return ""
    else:
        value = field["default"]
    if value in (None, [], "none"):
        return "none"
    if isinstance(value, dict):  # a section: each of its keys has a line
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else spell(value).removesuffix('.0')}`"


def _what(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{name}`" for name in field["enum"])
    if "$ref" in field:
        return "below"
    limits = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="), ("exclusiveMaximum", "<"))
    bounds = [f"{sign} {field[name]:g}" for name, sign in limits if name in field]
    return ", ".join([KINDS[field["type"]], *bounds])


def _or_else(field: dict[str, Any]) -> str:
    """What else than a number a key takes: a duration."""
    examples = [option["examples"][0] for option in field.get("anyOf", []) if "examples" in option]
    return f" or a duration such as `{examples[0]}`" if examples else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    for page in (DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))):
        was = page.read_text(encoding="utf-8")
        if (now := filled(was)) != was:
            page.write_text(now, encoding="utf-8")
            sys.stdout.write(f"{page} is new\n")
