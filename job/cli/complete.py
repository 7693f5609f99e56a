"""What a shell offers for RUN: names of runs, newest first, soon and without a word of complaint."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SECONDS = 1.5
"""As long as a person waits for the tab key."""


def run_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Runs of the store that is meant, and without --store those that this machine remembers. For `shell_complete`.

    A store that does not answer in time, or at all, leaves what is remembered.
    """
    from click.shell_completion import CompletionItem

    from infra.background import Background

    found: set[str] = set()
    Background(lambda: _search(context.params.get("store"), found), "complete").wait(SECONDS)
    matches = sorted((name.rsplit("-", 3)[1:], name) for name in found.copy() if name.startswith(incomplete))
    return [CompletionItem(name) for _, name in reversed(matches)]


def run_names_or_files(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """The same, and where no run begins so the shell's own names of files."""
    from click.shell_completion import CompletionItem

    return run_names(context, parameter, incomplete) or [CompletionItem(incomplete, type="file")]


def _search(store: str | None, found: set[str]) -> None:
    try:
        from job.paths import open_default_store
        from job.record.find import list_runs
        from job.record.run_index import remembered

        if store is None:
            found.update(remembered())
        found.update(list_runs(open_default_store(store)))
    except Exception:  # noqa: BLE001 - a traceback in the middle of a typed line helps nobody; the command itself will say it
        return
