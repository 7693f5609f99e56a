"""Every command's help ends with examples, and each of them is a line that the command takes."""

import inspect
import shlex
from collections.abc import Iterator

import click
import pytest

from codec.cli import cli as codec
from job.cli import cli as codecjob


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command and group below one, and itself, by its whole name."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from commands(found, f"{name} {inner}")


ALL = dict([*commands(codecjob, "codecjob"), *commands(codec, "codec")])


def examples(name: str) -> list[str]:
    text = inspect.cleandoc(ALL[name].help or "")
    return [line.strip() for line in text.partition("Examples:\n")[2].splitlines()]


def parse(line: str) -> None:
    """Raises click.UsageError for what the command would refuse; calls nothing."""
    words = shlex.split(line.partition(" > ")[0])
    name = words.pop(0)
    command: click.Command | None = {"codec": codec, "codecjob": codecjob}[name]
    while isinstance(command, click.Group):
        with command.make_context(name, list(words)) as context:
            _, command, words = command.resolve_command(context, words)
    assert command is not None
    command.make_context(name, words)


def test_there_are_commands() -> None:
    assert {"codecjob", "codecjob data rm", "codec", "codec train"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_help_ends_with_examples_that_the_command_takes(name: str) -> None:
    lines = examples(name)
    assert any(line.startswith(f"{name} ") or line == name for line in lines), "none of its own"
    for line in lines:
        parse(line)


@pytest.mark.parametrize("line", ["codecjob sumbit job.yaml", "codecjob pull @last", "codec train --epochs 3"])
def test_an_example_that_does_not_hold_is_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(line)
