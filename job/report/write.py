"""Where a page goes."""

from collections.abc import Sequence
from pathlib import Path

from infra.files import write_atomic
from job.errors import UsageError


def default_name(run_ids: Sequence[str]) -> str:
    """The file of a page that nobody has named."""
    first, *others = run_ids
    if not others:
        return f"{first}.html"
    return f"{first}-vs-{others[0]}.html" if len(others) == 1 else f"{first}-vs-{len(others)}-others.html"


def check_folder(out: Path | None) -> None:
    """Raises UsageError where ``out`` lies in no folder: better before a record is read than after."""
    folder = (out or Path("page")).absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder: make it, or name another --out")


def write(html: str, out: Path | None, name: str) -> tuple[Path, int]:
    """Writes a page to ``out``, into it if it is a folder, else into the working folder. Replaces an older one whole.

    Returns its absolute path and its size in bytes. Raises UsageError where it cannot be written.
    """
    path = (out or Path(name)).absolute()
    data = html.encode()
    try:
        if path.is_dir():
            path = path / name
        write_atomic(path, [data])
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}; make room or name another --out") from error
    return path, len(data)
