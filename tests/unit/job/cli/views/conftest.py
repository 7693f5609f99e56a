"""Real records in a real folder store, and what of them is printed."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from fakes.records import add_run, rows, run_id
from infra.pods.local import LocalProvider
from infra.store import Store, open_store
from job.run.state import look
from job.watch.run_list import Entry, Unreadable

Printed = Callable[..., list[str]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path / "home")


@pytest.fixture
def entries(store: Store, provider: LocalProvider) -> list[Entry]:
    """A run that is over, one that was aborted, one that waits, one with a long name, one that cannot be read."""
    now = time.time()
    runs = [
        add_run(store, run_id(0), now, rows(), outcome="succeeded"),
        add_run(store, run_id(1), now, rows("rate_too_high"), outcome="aborted", reason="bad signs: blow-up"),
        add_run(store, run_id(2), now, state="syncing"),
        add_run(store, run_id(3, "a-name-of-forty-characters-which-is-most"), now, rows("nan_output")),
    ]
    return [*(look(run, provider) for run in runs), Unreadable(run_id(4), "spec.json cannot be read", ["pod-0004"])]


@pytest.fixture
def printed() -> Printed:
    """printed(picture, width, ...): its lines, as a file or a terminal would get them."""

    def lines(picture: RenderableType, width: int, terminal: bool = False, encoding: str = "utf-8") -> list[str]:
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        console = Console(file=file, width=width, force_terminal=terminal, highlight=False)
        console.print(picture)
        file.flush()
        return file.buffer.getvalue().decode(encoding).splitlines()  # type: ignore[attr-defined,no-any-return]

    return lines
