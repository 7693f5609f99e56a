"""Where things are when nobody says: the default store."""

import os
from pathlib import Path

from infra.store import Store, open_store

HOME_VARIABLE = "CODECJOB_HOME"
STORE_VARIABLE = "CODECJOB_STORE"


def home() -> Path:
    """This machine's folder: $CODECJOB_HOME, else ~/.codecjob. Local pods and the default store lie in it."""
    return Path(os.environ.get(HOME_VARIABLE) or "~/.codecjob").expanduser()


def open_default_store(wanted: str | None = None) -> Store:
    """The store that was asked for, else $CODECJOB_STORE, else the folder ``store`` in $CODECJOB_HOME (~/.codecjob)."""
    return open_store(wanted or os.environ.get(STORE_VARIABLE) or str(home() / "store"))


def cache_folder() -> Path:
    """Where what can be made again is kept: ``codecjob`` in $XDG_CACHE_HOME (~/.cache). May be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "codecjob"
