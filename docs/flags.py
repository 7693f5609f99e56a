"""Prints the table of `codec train`'s flags that stands in docs/codec.md: python docs/flags.py."""

import sys

import click

from codec.cli import train
from codec.config import spell


def table() -> str:
    """The flags as Markdown, in the order of the help."""
    lines = ["| flag | default | meaning |", "| --- | --- | --- |"]
    lines += [_line(param) for param in train.params if isinstance(param, click.Option)]
    return "\n".join(lines) + "\n"


def _line(option: click.Option) -> str:
    default = "required" if option.required else "off" if option.is_flag else f"`{spell(option.default)}`"
    text = (option.help or "").partition(" [default:")[0]
    return f"| `{option.opts[0]}` | {default} | {text.replace('|', ' or ')} |"


if __name__ == "__main__":
    sys.stdout.write(table())
