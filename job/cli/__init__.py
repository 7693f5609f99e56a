"""The command line. Commands are imported when they are called, so that ``codecjob --help`` answers at once."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

from codec.loading import library_error
from job import speech

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# name -> (module, one line of help). The order is the order of a user's day.
COMMANDS = {
    "init": ("job.cli.init", "Write a commented job.yaml to start from."),
    "gpus": ("job.cli.gpus", "Show which GPUs can be had now, and at what price."),
    "preflight": ("job.cli.preflight", "Look at a spec and its data before anything is paid."),
    "submit": ("job.cli.submit", "Start a run from a spec file."),
    "status": ("job.cli.status", "Show all runs, or one in detail."),
    "report": ("job.cli.report", "Write one HTML page about a run, or runs side by side."),
    "abort-on-bad-signs": ("job.cli.abort", "Judge a run and stop it if the verdict is BAD."),
    "reconcile": ("job.cli.reconcile", "Compare what is billed with what the records say."),
    "check": ("job.cli.check", "Judge any metrics file, offline."),
    "logs": ("job.cli.logs", "Print a run's log."),
    "diff": ("job.cli.diff", "Show what differs between two runs, or a run and a spec."),
    "events": ("job.cli.events", "Print a run's audit trail: who decided what, and by what."),
    "stop": ("job.cli.stop", "Stop a run and prove that billing is off."),
    "resume": ("job.cli.resume", "Continue a run from its newest checkpoint."),
    "pull": ("job.cli.pull", "Fetch a run's checkpoint, samples, rows and log."),
    "prune": ("job.cli.prune", "Remove checkpoints that need not stay."),
    "data": ("job.cli.data", "Push, list, verify and remove datasets."),
    "doctor": ("job.cli.doctor", "Try the store and a pod's credentials by the calls of a run."),
    "config": ("job.cli.config", "Show the defaults in effect, and where each comes from."),
    "image": ("job.cli.image", "Build the image that pods run, and push it."),
    "schema": ("job.cli.schema", "Print the JSON Schema of a spec file."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and help without importing them, and turns errors into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the one command that is called."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the nearest command when there is none of that name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from job.errors import did_you_mean

            ctx.fail(f"no such command{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """The table again: importing every command would take longer than a person waits for the tab key."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; a known error becomes one line and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if (said := library_error(error)) is not None:
                speech.tell(f"error: {said}")
                ctx.exit(2)
            from job.cli.output import exit_code_of

            code = exit_code_of(error)
            if code is None:
                raise
            for line in str(error).splitlines() or [repr(error)]:
                speech.tell(f"error: {line}")
            ctx.exit(code)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="codecjob", prog_name="codecjob")
def cli() -> None:
    """Train a neural speech codec on a rented GPU, and stop paying the moment a run goes bad.

    RUN is the beginning of a run's name, as far as only one run has it, or @last.

    \b
    Examples:
      codecjob submit examples/quickstart.yaml
      codecjob status @last
      codecjob abort-on-bad-signs @last --watch
    """


def main() -> None:
    """The entry point."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 must not end a command
    try:
        cli(prog_name="codecjob")
    finally:
        speech.give_up_what_is_left()
