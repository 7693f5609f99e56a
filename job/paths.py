"""Where things are when nobody says: the default store."""

import os
from pathlib import Path

from infra.store import Store, open_store
from job.errors import UsageError

HOME_VARIABLE = "CODECJOB_HOME"
STORE_VARIABLE = "CODECJOB_STORE"


def home() -> Path:
    """This machine's folder: $CODECJOB_HOME, else ~/.codecjob. Local pods and the default store lie in it."""
    return Path(os.environ.get(HOME_VARIABLE) or "~/.codecjob").expanduser()


def open_default_store(wanted: str | None = None) -> Store:
    """The store that was asked for, else $CODECJOB_STORE, else the folder ``store`` in $CODECJOB_HOME (~/.codecjob)."""
    return open_store(wanted or os.environ.get(STORE_VARIABLE) or str(home() / "store"))


def open_existing_store(wanted: str | None = None) -> Store:
    """The same for whoever only looks: a folder that somebody has named has to be there.

    Raises:
        UsageError: it is not. The folder that nobody has named may come with the first run.
    """
    from infra.store.folder import FolderStore

    store = open_default_store(wanted)
    named = wanted or os.environ.get(STORE_VARIABLE)
    if named and isinstance(store, FolderStore) and not store.root.exists():
        raise UsageError(
            f"the store {store.url} is not there: check the name, or mount it; `codecjob init` writes a spec whose run "
            "makes one"
        )
    return store


def cache_folder() -> Path:
    """Where what can be made again is kept: ``codecjob`` in $XDG_CACHE_HOME (~/.cache). May be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "codecjob"
