"""What all commands take alike: a RUN, also as @last, and a word of help where an argument is missing."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from job.cli import COMMANDS, cli


def arguments(name: str) -> list[str]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return [param.metavar or "" for param in command.params if isinstance(param, click.Argument)]


TAKE_A_RUN = [name for name in COMMANDS if any("RUN" in metavar for metavar in arguments(name))]


def test_there_are_commands_that_take_a_run() -> None:
    assert {"status", "logs", "stop", "resume", "pull", "diff", "abort-on-bad-signs"} <= set(TAKE_A_RUN)


@pytest.mark.parametrize("name", TAKE_A_RUN)
def test_every_run_may_be_the_last(name: str, tmp_path: Path) -> None:
    words = ["@last" if "RUN" in metavar else str(tmp_path / "out") for metavar in arguments(name)]
    (tmp_path / "store").mkdir()
    done = CliRunner().invoke(cli, [name, *words, "--store", str(tmp_path / "store")])
    assert done.exit_code == 2, done.output
    assert "no runs in file://" in done.output
    assert "`codecjob submit SPEC`" in done.output


@pytest.mark.parametrize("name", ["logs", "stop", "pull", "events"])
def test_a_missing_run_is_told_where_to_find_one(name: str) -> None:
    done = CliRunner().invoke(cli, [name])
    assert (done.exit_code, "@last; `codecjob status` lists them" in done.output) == (2, True)


@pytest.mark.parametrize("name", ["submit", "preflight"])
def test_a_missing_spec_is_told_how_to_get_one(name: str) -> None:
    done = CliRunner().invoke(cli, [name])
    assert (done.exit_code, "`codecjob init` writes one" in done.output) == (2, True)
